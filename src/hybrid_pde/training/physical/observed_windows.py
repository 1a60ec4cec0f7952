"""Observed data from any source: cached simulations under ``data.observations``, or fields."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.config.schema import Experiment, ObservationParams
from hybrid_pde.data.cache.cache_file import CachedSimulation
from hybrid_pde.data.observations.observed_simulation import ObservedSimulation, observe
from hybrid_pde.data.observations.sensors import SensorReadings, read_sensors
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import CalibrationError, RawDataError
from hybrid_pde.models.physical.conditions import recorded_conditions, split_known
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.training.physical.observation_window import ObservationWindow, ObservedData
from hybrid_pde.training.physical.observed_fields import observed_fields
from hybrid_pde.training.physical.sensor_readings import readings_during

logger = logging.getLogger(__name__)


def observed(data_source: Iterable[Any], spec: EquationSpec) -> ObservedData:
    """Observed data of any source: its own arrays, those of a data set, or fields converted once.

    Args:
        data_source: Observed data, a data set of windows as fields, or pairs of fields.
        spec: The equation.
    """
    if isinstance(data_source, ObservedData):
        return data_source
    if type(data_source) is HybridDataset and data_source.return_fields:
        return observed_windows(data_source, spec)  # a subclass may give other fields
    return observed_fields(data_source, spec)


def observed_windows(
    dataset: HybridDataset, spec: EquationSpec, experiment: Experiment | None = None
) -> ObservedData:
    """Windows of a data set as memory maps, with their masks, noise and sensor readings.

    If values are hidden and initial states are known, only windows at the start of a simulation are
    used, because later states are not known.

    Args:
        dataset: All windows, in time order.
        spec: The equation, which defines fields and known parameters.
        experiment: Sections ``data.observations`` and ``trainer_params.physical.initial_state``;
            ``None`` to observe everything.

    Raises:
        ConfigError: if the observations do not fit the data, or hide everything.
        RawDataError: if the first frame of every window has missing values.
        CalibrationError: if a value is not finite.
    """
    section = None if experiment is None else experiment.data.observations
    seed = 0 if experiment is None else experiment.run_params.seed
    is_known = experiment is None or experiment.trainer_params.physical.initial_state == "known"
    names = match_roles(spec, [each.name for each in dataset.output_layouts]).values()
    layouts = [each for name in names for each in dataset.output_layouts if each.name == name]
    simulations = list(dict.fromkeys(dataset.sim_indices))
    recordings = [observe(dataset.store, n, section, seed, is_known) for n in simulations]
    position = {number: place for place, number in enumerate(simulations)}
    windows = []
    for number in range(len(dataset)):
        simulation, start = dataset.window(number)
        frames = range(start, start + 1 + dataset.num_predict_steps)
        windows.append(
            observation_window(position[simulation], frames, recordings, spec, simulation)
        )
    if section is not None:
        if is_known and section.hides:
            windows = [window for window in windows if window.frames[0] == 0]
        if is_known and section.missing == "mask":
            windows = _with_complete_starts(windows, recordings, layouts)
        if section.sensors is not None:
            assert experiment is not None
            windows = list(_with_readings(windows, dataset, layouts, experiment))
    data = ObservedData(dataset.grid, layouts, recordings, windows, dataset.dt)
    check_finite(data)
    return data


def observation_window(
    recording: int,
    frames: range,
    recordings: Sequence[ObservedSimulation],
    spec: EquationSpec,
    simulation: int,
) -> ObservationWindow:
    """Frames of a cached simulation, with its known parameters.

    Raises:
        CalibrationError: if one of these is not finite.
    """
    cached = recordings[recording].cached
    assert cached is not None
    _, own = split_known(spec, cached.known)
    kinds = [kind for kind in cached.header.known if kind.name in own]
    values = {
        kind.name: (own[kind.name] if kind.static else own[kind.name][frames.start : frames.stop])
        for kind in kinds
    }
    conditions = recorded_conditions(kinds, {name: v.unsqueeze(0) for name, v in values.items()})
    known = {name: v[0] for name, v in {**conditions.constant, **conditions.series}.items()}
    for name, value in known.items():
        if not bool(torch.isfinite(value).all()):
            raise CalibrationError(f"{cached.path}: the known {name!r} is not finite")
    return ObservationWindow(
        recording, frames, known, frozenset(conditions.series), simulation=simulation
    )


def check_finite(data: ObservedData) -> None:
    """Check every value that a calibration uses, frame by frame.

    Raises:
        CalibrationError: naming the file, the frame and the field.
    """
    used = {(window.recording, frame) for window in data.windows for frame in window.frames}
    for place, frame in sorted(used):
        recording = data.recordings[place]
        for layout in data.layouts:
            if not bool(torch.isfinite(recording.frames(layout.name, [frame])).all()):
                name = "" if recording.cached is None else f"{recording.cached.path}: "
                raise CalibrationError(
                    f"{name}frame {frame}: {layout.name!r} holds values that are not finite"
                )


def _with_complete_starts(
    windows: Sequence[ObservationWindow],
    recordings: Sequence[ObservedSimulation],
    layouts: Sequence[FieldLayout],
) -> list[ObservationWindow]:
    """The windows without missing values in the first frame."""
    complete = []
    for window in windows:
        values, first = recordings[window.recording].values, window.frames[0]
        if all(bool(torch.isfinite(values[each.name][first]).all()) for each in layouts):
            complete.append(window)
    if not complete:
        raise RawDataError(
            "data.observations.missing: mask: the first frame of every window has "
            "missing values; set trainer_params.physical.initial_state: estimate"
        )
    left_out = len(windows) - len(complete)
    if left_out:
        logger.info("%d windows left out: missing values in their first frame", left_out)
    return complete


def _with_readings(
    windows: Sequence[ObservationWindow],
    dataset: HybridDataset,
    layouts: Sequence[FieldLayout],
    experiment: Experiment,
) -> Iterator[ObservationWindow]:
    """The windows with the sensor readings during each."""
    readings: dict[int, SensorReadings] = {}
    for window in windows:
        number = window.simulation
        cached = dataset.store.load(number)
        if number not in readings:
            readings[number] = _read(cached, number, dataset.output_layouts, experiment)
        start = cached.times[0] + window.frames[0] * dataset.dt
        during = readings_during(
            readings[number], dataset.grid, layouts, start, window.num_frames, dataset.dt
        )
        yield replace(window, readings=during)


def _read(
    cached: CachedSimulation, number: int, layouts: Sequence[FieldLayout], experiment: Experiment
) -> SensorReadings:
    section = experiment.data.observations or ObservationParams()
    assert section.sensors is not None
    return read_sensors(
        Path(experiment.project_root) / section.sensors,
        cached.grid,
        layouts,
        (cached.times[0], cached.times[-1]),
        experiment.data,
        number,
        cached.units,
    )
