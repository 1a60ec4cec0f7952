"""Linearization with a finer discretization where initial states are estimated.

The difference of two solutions from one state has no noise. What of it a change of that state makes
as well is taken up by the estimated states; only the rest, the part orthogonal to all derivatives
by the states, moves the parameters.
"""

from collections.abc import Sequence

import numpy as np
import torch

from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training.physical.denoised_states import resolved_states
from hybrid_pde.training.physical.linearization import Linearization, Reduction
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observation_times import observation_times
from hybrid_pde.training.physical.refined_linearization import RefinedLinearization, discretized
from hybrid_pde.training.physical.regularization import linearized_regularization
from hybrid_pde.training.physical.residual import residual_at
from hybrid_pde.training.physical.state_elimination import eliminate_states
from hybrid_pde.training.physical.state_jacobian import Rows, StateJacobian
from hybrid_pde.training.physical.tangent_rollout import TangentRollout


def linearize_refined_states(
    objective: Objective, unknowns: np.ndarray, finer: Discretization, num_windows: int
) -> RefinedLinearization:
    """Both discretizations in a few windows, with the initial states eliminated.

    Derivatives and the difference of the two solutions are those at the estimated states without
    the modes that only noise has.

    Args:
        objective: The misfit, with estimated initial states.
        unknowns: All unknowns at its minimum.
        finer: The finer discretization.
        num_windows: Number of windows.

    Raises:
        DivergenceError: if a rollout is no longer finite.
    """
    # outside of the evaluation, since these are entries of the log themselves
    noise = objective.linearize(unknowns).loss
    clean = resolved_states(objective, unknowns)
    at = objective.linearize(clean)

    def compute() -> dict[str, torch.Tensor]:
        chosen = objective.observations.evenly_chosen(num_windows)
        return {
            "columns": torch.from_numpy(_reduced(objective, unknowns, finer, chosen, at, noise))
        }

    found = objective.evaluate("refined states", unknowns, compute)
    columns, size = found["columns"].numpy(), len(objective.vector)
    jacobian, count = columns[:, :size], objective.num_values

    def with_residual(residual: np.ndarray) -> Linearization:
        loss = float(residual @ residual) / count
        return Linearization(unknowns[:size], jacobian, residual, loss)

    own, difference = columns[:, -1], columns[:, -2]
    return RefinedLinearization(with_residual(own), with_residual(own + difference))


@torch.no_grad()
def _reduced(
    objective: Objective,
    unknowns: np.ndarray,
    finer: Discretization,
    chosen: Sequence[int],
    at: Linearization,
    noise: float,
) -> np.ndarray:
    """Triangular factor of the columns J, difference of the solutions, residual of the used one.

    Args:
        objective: The misfit.
        unknowns: All unknowns at its minimum.
        finer: The finer discretization.
        chosen: Numbers of the windows.
        at: Linearization at the states without the modes that only noise has.
        noise: Loss at the minimum.
    """
    observations, vector, states = objective.observations, objective.vector, objective.states
    assert states is not None
    size, windows, clean = len(vector), len(observations.windows), at.z
    reduction = Reduction(size + 1, None, observations.simulations)
    for chunk in observations.chunks():
        numbers = [number for number in chunk if number in chosen]
        if not numbers:
            continue
        here, there = (
            StateJacobian(
                objective.model, observations, vector, states, objective.dt, point, numbers
            )
            for point in (clean, unknowns)
        )
        rows, residual = here.parameter_rows(), [each[-1:] for each in there.parameter_rows()]
        for each, other in zip(rows, _difference(objective, clean, finer, numbers), strict=True):
            each[-1] = other
        guess = at.state_columns(clean, numbers, windows)
        if guess is not None:
            guess[-1] = 0.0
        eliminate_states(here, rows, guess, noise)
        for each, own in zip(rows, residual, strict=True):
            reduction.fold(numbers, torch.cat([each, own]))
    num_values = objective.num_values
    penalties = linearized_regularization(
        vector, unknowns[:size], objective.noise_variance, num_values
    )
    none = torch.zeros(len(penalties), 1, dtype=penalties.dtype)
    padded = torch.cat([penalties[:, :size], none, penalties[:, size:]], dim=1)
    reduced = reduction.finish(np.append(unknowns[:size], 0.0), padded, num_values)
    return np.column_stack([reduced.jacobian, reduced.residual])


def _difference(
    objective: Objective, unknowns: np.ndarray, finer: Discretization, numbers: list[int]
) -> Rows:
    """Residuals of the finer solution less those of the used one, from the same initial states."""
    model, observations = objective.model, objective.observations
    instants = observation_times(observations, numbers, objective.dt)
    tangents = TangentRollout(model, observations, objective.vector, objective.states)
    point = torch.from_numpy(np.array(unknowns))
    used = tangents.run([point], numbers, instants)
    with discretized(model, finer):
        fine = tangents.run([point], numbers, instants)
    assert objective.states is not None
    rows: Rows = [torch.zeros(len(numbers), objective.states.size, dtype=torch.float64)]
    for instant, *both in zip(instants, fine, used, strict=True):
        lifted = [{name: value.unsqueeze(0) for name, value in each.items()} for each in both]
        one, other = (residual_at(observations, numbers, instant, each) for each in lifted)
        rows.append((one - other)[0])
    return rows
