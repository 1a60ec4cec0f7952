"""Residuals of a calibration at one point, as arrays over frames and cells.

Layout: ``B`` windows, ``T`` frames, ``C`` channels, ``X Y Z`` space; ``K`` reading times.
"""

from collections.abc import Sequence

import numpy as np
import torch

from hybrid_pde.training.physical.frame_arrays import (
    MOST_PARAMETERS,
    EndArrays,
    Instant,
    Sensitivities,
    States,
    at_frame,
    by_window,
    kept_windows,
)
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observation_times import ObservationTime, observation_times
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.residuals import Residuals
from hybrid_pde.training.physical.sensor_readings import read_states
from hybrid_pde.training.physical.tangent_rollout import TangentRollout


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
    observations = kept_windows(whole, columns).observations
    z = torch.from_numpy(np.array(unknowns[: len(objective.vector)]))
    tangents = TangentRollout(objective.model, observations, objective.vector, None)
    found = []
    for numbers in observations.chunks():
        instants = observation_times(observations, numbers, objective.dt)
        frames: list[Instant] = []
        readings: list[Instant] = []
        for instant, state in zip(instants, tangents.run([z], numbers, instants), strict=True):
            if instant.frame is not None:
                frames.append(at_frame(observations, numbers, instant.frame, state))
            if instant.reading is not None:
                readings.append(_at_reading(observations, numbers, instant, state))
        for part in (frames, readings):
            if part:
                found += by_window(observations, numbers, part)
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


def sensitivity_arrays(objective: Objective, unknowns: np.ndarray) -> Sequence[Sensitivities]:
    """Residuals of frames with their derivatives at a point, the initial states held.

    Of a few evenly chosen windows, if all together have more than ``MAX_VALUES`` derivatives. Empty
    if nothing but sensor readings is observed.

    Raises:
        DivergenceError: if a rollout is no longer finite.
    """
    size = len(objective.vector)
    if objective.states is not None:
        held = objective.with_states_held(unknowns)
        objective = held.of(kept_windows(held.observations, size + 1).observations)
    return objective.sensitivities(unknowns[:size])


def residuals_of_end(objective: Objective, unknowns: np.ndarray) -> Sequence[Residuals]:
    """Residuals where a minimization ended, without another rollout if its last one has them.

    Raises:
        DivergenceError: if the rollout is no longer finite.
    """
    at = objective.at_hand(unknowns)
    if at is not None and objective.states is None:
        if isinstance(at.arrays, EndArrays) and at.arrays.residuals is not None:
            return at.arrays.residuals
        if has_all_sensitivities(objective):
            return [each.residuals for each in objective.sensitivities(unknowns)]
    return residual_arrays(objective, unknowns)


def has_all_sensitivities(objective: Objective) -> bool:
    """True if :func:`sensitivity_arrays` has all residuals: of every window, without readings."""
    observations, size = objective.observations, len(objective.vector)
    if size > MOST_PARAMETERS or any(each.readings is not None for each in observations.windows):
        return False
    return kept_windows(observations, size + 1).observations is observations


def _at_reading(
    observations: Observations, numbers: Sequence[int], instant: ObservationTime, state: States
) -> Instant:
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
