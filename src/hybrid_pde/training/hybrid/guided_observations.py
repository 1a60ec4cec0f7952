"""Observed data in which a surrogate's predictions take the place of hidden values.

Layout of native tensors: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from dataclasses import replace

import torch

from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.observations.observed_simulation import ObservedSimulation, observe
from hybrid_pde.errors import ConfigError, ExchangeError
from hybrid_pde.training.physical.observation_window import ObservationWindow, ObservedData
from hybrid_pde.training.physical.observed_windows import observation_window


def guided_observations(
    data: ObservedData,
    predictions: SimulationStore,
    weight: float,
    spec: EquationSpec,
    initial_known: bool = True,
) -> ObservedData:
    """Windows of the data and of a surrogate's predictions.

    Predictions of a training simulation's hidden values take their place. Predictions from new
    initial states are additional windows, after those of the data. Predicted values have the
    weight ``weight``, observed values the weight 1.

    Args:
        data: Windows of the data.
        predictions: Simulations of :class:`~hybrid_pde.training.hybrid.guidance.GuidanceMaker`.
        weight: ``hybrid.interaction_weight``.
        spec: The equation.
        initial_known: Whether windows start from known states; otherwise these are observations.

    Raises:
        ConfigError: if a field of the equation is not predicted.
        ExchangeError: if there is no prediction for any value.
    """
    names = [layout.name for layout in data.layouts]
    recordings, windows = list(data.recordings), list(data.windows)
    number_of = {window.recording: window.simulation for window in windows}
    for index in predictions.indices():
        _check_fields(predictions, index, names)
        source = predictions.header(index).source
        if source["new"]:
            recordings.append(_predicted(predictions, index, names, weight, initial_known))
            windows.append(_whole_window(recordings, spec))
            continue
        fields = predictions.load(index).fields
        for place, recording in enumerate(data.recordings):
            if number_of.get(place) == source["simulation"]:
                recordings[place] = recording.with_predictions(
                    {name: fields[name] for name in names}, source["frame"], weight
                )
    guided = replace(data, recordings=recordings, windows=windows)
    if len(windows) == len(data.windows) and not _has_predictions(guided, names):
        raise ExchangeError(
            f"{predictions.directory}: the synthetic model predicts no hidden value of the "
            "training simulations, so it cannot guide the physical model"
        )
    return guided


def _predicted(
    predictions: SimulationStore, index: int, names: list[str], weight: float, initial_known: bool
) -> ObservedSimulation:
    """A simulation of which nothing is observed; a known initial state is given."""
    made = observe(predictions, index, None, 0, initial_known)
    masks = {name: torch.zeros(made.values[name].shape, dtype=torch.bool) for name in names}
    for mask in masks.values():
        mask[0] = initial_known
    weights = torch.full((len(masks[names[0]]),), weight, dtype=torch.float64)
    return replace(made, masks=masks, predicted=weights)


def _whole_window(recordings: list[ObservedSimulation], spec: EquationSpec) -> ObservationWindow:
    """All frames of the last recording; −1 is the simulation of predicted windows."""
    cached = recordings[-1].cached
    assert cached is not None
    frames = range(cached.num_frames)
    window = observation_window(len(recordings) - 1, frames, recordings, spec, -1)
    return replace(window, is_predicted=True)


def _has_predictions(data: ObservedData, names: list[str]) -> bool:
    """True if any hidden value of a window's targets is predicted."""
    return any(
        data.recordings[window.recording].weight(name, frame)
        > len(data.recordings[window.recording].observed(name, frame))
        for window in data.windows
        for frame in window.frames[1:]
        for name in names
    )


def _check_fields(predictions: SimulationStore, index: int, names: list[str]) -> None:
    predicted = {layout.name for layout in predictions.header(index).layouts}
    missing = [name for name in names if name not in predicted]
    if missing:
        raise ConfigError(
            f"model.synthetic.output_specs: {missing}: fields of the equation, which the "
            "surrogate has to predict in hybrid cycles; add them"
        )
