"""Linearization of a misfit, together with the residual of a finer discretization.

The derivatives are those of the used discretization: on a finer grid they are nearly the same, and
cost many times as much.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training.physical.evaluation_log import Values
from hybrid_pde.training.physical.frame_arrays import Sensitivities, States, at_frame
from hybrid_pde.training.physical.linearization import Linearization, Reduction
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observation_times import ObservationTime, observation_times
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.regularization import linearized_regularization
from hybrid_pde.training.physical.residual import predicted_values, residual_at
from hybrid_pde.training.physical.residual_arrays import has_all_sensitivities
from hybrid_pde.training.physical.tangent_rollout import TangentRollout


@dataclass(frozen=True)
class RefinedLinearization:
    """Both discretizations, with the same derivatives.

    Attributes:
        used: The used discretization, linearized at a point.
        finer: The residual of the finer one at its own point, with the derivatives of the used one.
    """

    used: Linearization
    finer: Linearization


def linearize_refined(
    objective: Objective, z: np.ndarray, finer: Discretization, point: np.ndarray
) -> RefinedLinearization:
    """Derivatives of the used discretization at z, and the residual of a finer one at a point.

    The derivatives are those of the last linearization, if that is of z and collected those of all
    windows. Otherwise both rollouts run in lockstep, so that memory does not depend on the number
    of frames.

    Args:
        objective: The misfit, with known initial states.
        z: The parameters at which it is linearized.
        finer: The finer discretization.
        point: The parameters of the finer solution.

    Raises:
        DivergenceError: if a rollout is no longer finite.
    """
    both = np.concatenate([z, point])
    found = objective.evaluate("refined", both, lambda: _reduced(objective, z, finer, point))
    columns, count = found["columns"].numpy(), objective.num_values
    jacobian = columns[:, : len(z)]

    def at(place: np.ndarray, residual: np.ndarray) -> Linearization:
        return Linearization(place, jacobian, residual, float(residual @ residual) / count)

    return RefinedLinearization(at(z, columns[:, -1]), at(point, columns[:, -2]))


@torch.no_grad()
def _reduced(
    objective: Objective, z: np.ndarray, finer: Discretization, point: np.ndarray
) -> Values:
    """Triangular factor of the columns J, finer residual, used residual."""
    model, observations, vector = objective.model, objective.observations, objective.vector
    assert objective.states is None
    size, num_values = len(z), objective.num_values
    # The finer residual is one more column.
    reduction = Reduction(size + 1, None, observations.simulations)
    tangents = TangentRollout(model, observations, vector, None)
    known = _collected(objective, z)
    for numbers in observations.chunks():
        instants = observation_times(observations, numbers, objective.dt)
        with discretized(model, finer):
            fine = tangents.run([torch.from_numpy(np.array(point))], numbers, instants)
        if known:
            own, known = known[: len(numbers)], known[len(numbers) :]
            for row, (instant, state) in enumerate(zip(instants, fine, strict=True)):
                reduction.fold(numbers, _block(observations, numbers, own, (row, instant), state))
            continue
        with closing(tangents.rollout(z, numbers, instants)) as used:
            for (instant, values, slopes), state in zip(used, fine, strict=True):
                lifted = {name: value.unsqueeze(0) for name, value in state.items()}
                block = torch.cat(
                    [
                        predicted_values(observations, numbers, instant, slopes),
                        residual_at(observations, numbers, instant, lifted),
                        residual_at(observations, numbers, instant, values),
                    ]
                )
                reduction.fold(numbers, block)
    penalties, other = (
        linearized_regularization(vector, each, objective.noise_variance, num_values)
        for each in (z, point)
    )
    rows = torch.cat([penalties[:, :size], other[:, size:], penalties[:, size:]], dim=1)
    reduced = reduction.finish(np.append(z, 0.0), rows, num_values)
    columns = np.column_stack([reduced.jacobian, reduced.residual])
    return {"columns": torch.from_numpy(columns)}


def _collected(objective: Objective, z: np.ndarray) -> Sequence[Sensitivities]:
    """Residuals and derivatives of all windows from the last linearization; none if it has not."""
    if objective.at_hand(z) is None or not has_all_sensitivities(objective):
        return []
    found = objective.sensitivities(z)
    return found if len(found) == len(objective.observations.windows) else []


def _block(
    observations: Observations,
    numbers: Sequence[int],
    used: Sequence[Sensitivities],
    at: tuple[int, ObservationTime],
    state: States,
) -> torch.Tensor:
    """Rows of J, the finer and the used residual of a batch at a frame, ``[p + 2, B, values]``."""
    row, instant = at
    assert instant.frame is not None
    slopes = np.stack([each.slopes[:, row] for each in used], axis=1)
    residual = np.stack([each.residuals.values[row] for each in used])
    finer, _, _ = at_frame(observations, numbers, instant.frame, state)
    columns = [torch.from_numpy(slopes), finer.unsqueeze(0), torch.from_numpy(residual)[None]]
    return torch.cat(columns).flatten(2)


@contextmanager
def discretized(model: PhysicalModel, discretization: Discretization) -> Iterator[None]:
    """A model with another discretization; a rollout keeps that with which it was begun.

    Args:
        model: The model.
        discretization: Its discretization within the block.
    """
    used = model.discretization
    model.discretization = discretization
    try:
        yield
    finally:
        model.discretization = used
