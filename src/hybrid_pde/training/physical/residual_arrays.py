"""Residuals of a calibration at one point, as arrays over frames and cells.

Layout: ``B`` windows, ``T`` frames, ``C`` channels, ``X Y Z`` space; ``K`` reading times.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch

from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observation_times import ObservationTime, observation_times
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.residuals import Residuals
from hybrid_pde.training.physical.sensor_readings import read_states
from hybrid_pde.training.physical.tangent_rollout import States, TangentRollout

# Largest number of values that are kept (16 MB): enough for every statistic.
MAX_VALUES = 2**21
# More parameters have no derivatives as arrays.
MOST_PARAMETERS = 16
# Fewest frames of a window that is cut to this size.
_FEWEST_FRAMES = 3

# Residuals and mask of all windows at one time, and for frames the predicted states.
_Instant = tuple[torch.Tensor, ...]


@torch.no_grad()
def residual_arrays(
    objective: Objective, unknowns: np.ndarray, columns: int = 1
) -> list[Residuals]:
    """Residuals of measured values at a point, by one rollout without derivatives.

    Frames and sensor readings of a window are separate entries: ``[T, C, *space]``, with the
    predicted states, and, without axes of space, ``[K, sensors · C]``. If all windows together have
    more values than ``MAX_VALUES``, these are of a few evenly chosen windows.

    Args:
        objective: The objective.
        unknowns: All its unknowns.
        columns: Number of arrays of this size that are kept in all.

    Raises:
        DivergenceError: if a rollout is no longer finite.
    """
    whole = objective.with_states_held(unknowns).observations
    observations = _few(whole, MAX_VALUES // columns)
    z = torch.from_numpy(np.array(unknowns[: len(objective.vector)]))
    tangents = TangentRollout(objective.model, observations, objective.vector, None)
    found = []
    for numbers in observations.chunks():
        instants = observation_times(observations, numbers, objective.dt)
        frames: list[_Instant] = []
        readings: list[_Instant] = []
        for instant, state in zip(instants, tangents.run([z], numbers, instants), strict=True):
            if instant.frame is not None:
                frames.append(_at_frame(observations, numbers, instant.frame, state))
            if instant.reading is not None:
                readings.append(_at_reading(observations, numbers, instant, state))
        for part in (frames, readings):
            if part:
                found += _by_window(observations, numbers, part)
    return found


@torch.no_grad()
def start_residuals(objective: Objective, unknowns: np.ndarray) -> list[Residuals]:
    """Residuals of the initial frames, ``[1, C, *space]``; none if they are not estimated."""
    states, observations = objective.states, objective.observations
    if states is None:
        return []
    numbers = range(len(observations.windows))
    found = states.residual(torch.from_numpy(np.array(unknowns[len(objective.vector) :])), numbers)
    shape = (1, -1, *observations.grid.shape)
    return [
        Residuals(
            found[number].reshape(shape).numpy(), None, observations.windows[number].simulation
        )
        for number in numbers
    ]


@dataclass(frozen=True)
class Sensitivities:
    """Residuals of the frames of one window and their derivatives.

    Attributes:
        residuals: Weighted residuals ``[T, C, *space]``.
        slopes: Their derivatives with respect to z, ``[p, T, C, *space]``.
    """

    residuals: Residuals
    slopes: np.ndarray


@torch.no_grad()
def sensitivity_arrays(objective: Objective, unknowns: np.ndarray) -> list[Sensitivities]:
    """Residuals of frames with their derivatives at a point, the initial states held.

    Of a few evenly chosen windows, if all together have more than ``MAX_VALUES`` derivatives. Empty
    if nothing but sensor readings is observed.

    Raises:
        DivergenceError: if a rollout is no longer finite.
    """
    size = len(objective.vector)
    whole = objective.with_states_held(unknowns).observations
    observations = _few(whole, MAX_VALUES // (size + 1))
    tangents = TangentRollout(objective.model, observations, objective.vector, None)
    found = []
    for numbers in observations.chunks():
        instants = observation_times(observations, numbers, objective.dt)
        frames: list[_Instant] = []
        slopes: list[torch.Tensor] = []
        with closing(tangents.rollout(unknowns[:size], numbers, instants)) as run:
            for instant, values, derivatives in run:
                if instant.frame is not None:
                    state = {name: value[0] for name, value in values.items()}
                    frames.append(_at_frame(observations, numbers, instant.frame, state))
                    slopes.append(
                        torch.cat(
                            [
                                derivatives[name] * _weight(observations, numbers, instant, name)
                                for name in observations.fields
                            ],
                            dim=2,
                        )
                    )
        if frames:
            stacked = torch.stack(slopes, dim=2).numpy()  # [p, B, T, C, *space]
            parts = _by_window(observations, numbers, frames)
            found += [Sensitivities(part, stacked[:, entry]) for entry, part in enumerate(parts)]
    return found


def has_all_sensitivities(objective: Objective) -> bool:
    """True if :func:`sensitivity_arrays` has all residuals: of every window, without readings."""
    observations, size = objective.observations, len(objective.vector)
    if size > MOST_PARAMETERS or any(each.readings is not None for each in observations.windows):
        return False
    return _few(observations, MAX_VALUES // (size + 1)) is observations


def _weight(
    observations: Observations, numbers: Sequence[int], instant: ObservationTime, name: str
) -> torch.Tensor:
    assert instant.frame is not None
    weight = observations.weight(numbers, instant.frame, name)
    return torch.zeros(1, dtype=torch.float64) if weight is None else weight


def _few(observations: Observations, max_values: int = MAX_VALUES) -> Observations:
    """Evenly chosen windows, cut to their first frames if one alone is too large."""
    frames, count = observations.windows[0].num_frames, len(observations.windows)
    kept = max(1, max_values // (observations.state_size * frames))
    if kept >= count and not any(window.is_predicted for window in observations.windows):
        return observations
    shorter = max(_FEWEST_FRAMES, max_values // observations.state_size)
    return observations.subset(min(kept, count), min(frames, shorter))


def _at_frame(
    observations: Observations, numbers: Sequence[int], frame: int, state: States
) -> _Instant:
    """Residuals ``[B, C, *space]`` of all fields at a frame, which are observed, and states."""
    values, masks = [], []
    for name in observations.fields:
        weight = observations.weight(numbers, frame, name)
        if weight is None:
            weight = torch.zeros(1, dtype=torch.float64)
        residual = (state[name] - observations.target(numbers, frame, name)) * weight
        values.append(residual)
        masks.append((weight > 0).expand_as(residual))
    states = [
        state[name].expand_as(each) for name, each in zip(observations.fields, values, strict=True)
    ]
    return torch.cat(values, dim=1), torch.cat(masks, dim=1), torch.cat(states, dim=1)


def _at_reading(
    observations: Observations, numbers: Sequence[int], instant: ObservationTime, state: States
) -> _Instant:
    """Residuals ``[B, sensors · C]`` of all fields at a reading time, and which exist."""
    own = [observations.windows[number].readings for number in numbers]
    readings = [each for each in own if each is not None]
    assert instant.reading is not None
    values, masks = [], []
    for name in observations.fields:
        present = torch.stack([each.present[name][instant.reading] for each in readings])
        measured = torch.stack([each.values[name][instant.reading] for each in readings])
        predicted = read_states(readings, instant.reading, state[name].unsqueeze(0))[0]
        residual = (predicted - measured) * present / observations.scale[name]
        values.append(residual.flatten(1))
        masks.append(present.flatten(1))
    return torch.cat(values, dim=1), torch.cat(masks, dim=1)


def _by_window(
    observations: Observations, numbers: Sequence[int], instants: Sequence[_Instant]
) -> list[Residuals]:
    values, masks, *states = (
        torch.stack(each, dim=1).numpy() for each in zip(*instants, strict=True)
    )
    return [
        Residuals(
            values[entry],
            None if masks[entry].all() else masks[entry],
            observations.windows[number].simulation,
            states[0][entry] if states else None,
        )
        for entry, number in enumerate(numbers)
    ]
