"""Elimination of initial states from a linearization by conjugate gradients.

The initial states s of a window enter its residual through a Jacobian J that is too large to be
stored. For each column c (derivatives with respect to a parameter, or the residual) the least
squares problem min |c − J x| is solved. What remains of the columns, c − J x, is the linearization
of the parameters with the states eliminated: its inner products are the Schur complement. Their
error is quadratic in that of x.

Source: Björck (1996), Numerical Methods for Least Squares Problems, section 7.4 (CGLS).

Layout of native tensors: ``G`` columns, ``B`` of ``W`` windows.
"""

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical.initial_state_unknowns import InitialStates
from hybrid_pde.training.physical.linearization import Linearization, Reduction, StateSteps
from hybrid_pde.training.physical.observations import CHUNK_VALUES, Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.state_jacobian import Rows, StateJacobian

# An iteration that lowers the square of a column of the parameters by less than this fraction is
# the last one: the variance of the parameter is then known about as well.
_PARAMETER_TOLERANCE = 1e-3
# The same for the residual, as a multiple of the noise variance or of what was gained before. What
# is left moves the parameters by a small part of their standard deviation.
_STATE_TOLERANCE, _FORCING = 0.03, 1e-3
_MAX_ITERATIONS = 300

logger = logging.getLogger(__name__)


class StateEliminator:
    """Linearizes a calibration in its parameters, with the initial states eliminated.

    Args:
        model: The equation.
        observations: The windows.
        vector: The learnable parameters.
        states: The initial states.
        dt: Time between frames [time].
    """

    def __init__(
        self,
        model: PhysicalModel,
        observations: Observations,
        vector: ParameterVector,
        states: InitialStates,
        dt: float,
    ) -> None:
        self._model, self._observations, self._vector = model, observations, vector
        self._states, self._dt = states, dt

    @torch.no_grad()
    def linearize(
        self, unknowns: np.ndarray, penalties: torch.Tensor, before: Linearization | None
    ) -> tuple[Linearization, int]:
        """The linearization of the parameters, and the largest number of time steps per frame.

        Args:
            unknowns: The point, all unknowns.
            penalties: Rows ``[m, p + 1]`` of priors and smoothness.
            before: The linearization at an earlier point, to start from.

        Raises:
            DivergenceError: if a rollout is no longer finite.
        """
        count, size = len(self._vector), self._states.size
        windows = len(self._observations.windows)
        reduction = Reduction(count, None, self._observations.simulations)
        solutions = torch.zeros(count + 1, windows, size, dtype=torch.float64)
        squares, substeps, iterations = float((penalties[:, -1] ** 2).sum()), 0, []
        for numbers in self._chunks():
            jacobian = StateJacobian(
                self._model, self._observations, self._vector, self._states, self._dt, unknowns,
                numbers,
            )  # fmt: skip
            rows = jacobian.parameter_rows()
            squares += float(_squares(rows)[-1].sum())
            guess = None
            if before is not None:
                guess = before.state_columns(unknowns, numbers, windows)
            solution, needed = eliminate_states(jacobian, rows, guess)
            for block in rows:
                reduction.fold(numbers, block)
            solutions[:, numbers] = solution
            substeps = max(substeps, jacobian.substeps)
            iterations.append(needed)
        logger.debug("initial states eliminated in %s conjugate gradient steps", iterations)
        flat = -solutions.flatten(1)
        states = StateSteps(flat[-1].numpy(), flat[:-1].T.numpy())
        num_values = self._observations.num_values
        at = reduction.finish(unknowns[:count], penalties, num_values)
        loss = squares / num_values
        return Linearization(unknowns, at.jacobian, at.residual, loss, at.grams, states), substeps

    def _chunks(self) -> Iterator[list[int]]:
        """Windows that are linearized in one batch, with equal observation times."""
        values = (len(self._vector) + 1) * self._states.size
        most = max(1, CHUNK_VALUES // values)
        for numbers in self._observations.chunks():
            for part in np.array_split(numbers, -(-len(numbers) // most)):
                yield part.tolist()


def eliminate_states(
    jacobian: StateJacobian,
    rows: Rows,
    guess: torch.Tensor | None = None,
    noise: float | None = None,
) -> tuple[torch.Tensor, int]:
    """Solve min |c − J x| for every column c; the last one is the residual.

    Args:
        jacobian: J, of windows that do not depend on each other.
        rows: The columns c; c − J x afterwards.
        guess: x to start from, ``[G, B, size]``.
        noise: Variance of the residual's noise; by default its mean square.

    Returns:
        x and the number of iterations.
    """
    if noise is None:
        noise = float(_squares(rows)[-1].sum()) / max(1, sum(each[0].numel() for each in rows))
    solution = torch.zeros_like(rows[0]) if guess is None else guess
    if guess is not None:
        _add(rows, jacobian.push(solution), -torch.ones(solution.shape[:2]).double())
    slope = jacobian.pull(rows)
    direction, steepness = slope, (slope**2).sum(-1)
    gained, number = 0.0, 0
    for number in range(1, _MAX_ITERATIONS + 1):  # noqa: B007
        moved = jacobian.push(direction)
        step = _ratio(steepness, _squares(moved))
        solution = solution + step[..., None] * direction
        _add(rows, moved, -step)
        gain = (step * steepness).sum(1)
        gained += float(gain[-1])
        limit = _PARAMETER_TOLERANCE * _squares(rows).sum(1)
        limit[-1] = max(_STATE_TOLERANCE * noise, _FORCING * gained)
        if bool((gain <= limit).all()):
            break
        slope = jacobian.pull(rows)
        before, steepness = steepness, (slope**2).sum(-1)
        direction = slope + _ratio(steepness, before)[..., None] * direction
    return solution, number


def _ratio(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Their ratio; 0 where both are, as in a column that is solved."""
    return torch.where(other > 0, one / other.clamp_min(torch.finfo(other.dtype).tiny), 0.0)


def _squares(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    """Sums of squares of each window, ``[G, B]``."""
    return torch.stack([(each**2).sum(-1) for each in rows]).sum(0)


def _add(rows: Rows, others: Rows, factors: torch.Tensor) -> None:
    """Add multiples ``[G, B]`` of other rows."""
    for each, other in zip(rows, others, strict=True):
        each += factors[..., None] * other
