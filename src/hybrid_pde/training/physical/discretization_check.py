"""Discretization error of the estimate: its change on a finer grid with a smaller time step."""

from dataclasses import dataclass, replace
from math import inf

import numpy as np

from hybrid_pde.errors import DivergenceError
from hybrid_pde.evaluation.number_format import number
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training.physical.convergence import full_step
from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.minimization import gauss_newton
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.refined_linearization import (
    RefinedLinearization,
    discretized,
    linearize_refined,
)
from hybrid_pde.training.physical.refined_states import linearize_refined_states

# Enough windows to measure the shift, at low cost on the finer grid.
NUM_WINDOWS = 4
MAX_ITERATIONS = 4
TOLERANCE = 1e-3
# Shift relative to the parameters below which derivatives differ so little that one step suffices.
_SMALL_SHIFT = 1e-3
# Last step relative to the shift, and relative to the parameters; largest ratio of two steps, and
# largest number of steps with the derivatives of the used discretization.
_ACCURACY, _SMALL_STEP = 0.03, 1e-6
_CONTRACTION, _MAX_STEPS = 0.5, 5
# Ratio of the losses from which the data are those of the used grid, whatever their time steps.
_SAME_GRID = 100.0


@dataclass(frozen=True)
class Refinement:
    """The estimate on a finer discretization, compared with that on the used one.

    Attributes:
        shift: Change of each parameter in physical units; NaN for one that its bound holds.
        loss_ratio: Loss of the finer solution divided by that of the used one, each at its own
            estimate. Far above 1 where the data were made with the used discretization.
        of_steps: The same with half the time step on the used grid, where the data are of that.
        amplitude: Share of the difference of the two solutions that the residuals contain, and its
            variance if they are independent noise otherwise; ``None`` with known initial states.
    """

    shift: np.ndarray
    loss_ratio: float = 1.0
    of_steps: "Refinement | None" = None
    amplitude: tuple[float, float] | None = None

    @property
    def uncertainty(self) -> np.ndarray:
        """Size of the shift that the used discretization leaves open.

        The data's own discretization error is as far from the used one as the residuals are large:
        the finer solution leaves residuals √ratio times as large, and is off by the whole shift.
        """
        return np.abs(self.shift) / max(1.0, self.loss_ratio) ** 0.5


def discretization_shift(objective: Objective, unknowns: np.ndarray) -> Refinement | None:
    """Change of the parameters when the estimate is repeated on a grid twice as fine.

    It measures discretization bias, which the standard deviation does not include. Both estimates
    use the same few windows, and the same initial states unless these are estimated. The finer grid
    has smaller stable time steps; for the exponential integrator, which has no stability limit,
    their number is doubled.
    The finer solution is minimized by Gauss-Newton steps with the derivatives of the used one. To
    the estimate of the used one the full step that is left there is added, so that shifts far below
    the tolerance of its minimization are resolved.

    Args:
        objective: The objective.
        unknowns: All unknowns at the minimum.

    Returns:
        The shift and the losses; ``None`` if the finer solution diverges.
    """
    if objective.states is not None:
        return _shift_with_states(objective, unknowns)
    stretch = _few_windows(objective, unknowns)
    scheme = stretch.model.discretization
    try:
        z = gauss_newton(stretch, unknowns[: len(stretch.vector)], MAX_ITERATIONS, TOLERANCE).z
        used = _End.of(stretch, stretch.linearize(z))
        found = _compared(stretch, used, _on_finer_grid(stretch, used, refined(scheme)))
    except DivergenceError:
        return None
    if found.loss_ratio < _SAME_GRID:
        return found
    halved = replace(scheme, substeps_factor=2 * scheme.substeps_factor)
    is_compiled = stretch.model.has_compiled_steps
    try:
        end = _on_finer_grid(stretch, used, halved)
    except DivergenceError:
        return found
    finally:
        stretch.model.has_compiled_steps = is_compiled  # as the report says of the estimate
    return replace(found, of_steps=_compared(stretch, used, end))


def _shift_with_states(objective: Objective, unknowns: np.ndarray) -> Refinement | None:
    """The same with the initial states estimated on both grids, by one Gauss-Newton step."""
    finer = refined(objective.model.discretization)
    try:
        both = linearize_refined_states(objective, unknowns, finer, NUM_WINDOWS)
    except DivergenceError:
        return None
    used, end = (_End.of(objective, each) for each in (both.used, both.finer))
    found = _compared(objective, used, end)
    return replace(found, amplitude=_amplitude(both, objective.linearize(unknowns).loss))


def _amplitude(both: RefinedLinearization, variance: float) -> tuple[float, float] | None:
    """The least-squares amplitude of the difference of the solutions, and its variance.

    Without what the parameters take up. It is 1 for resolved data and 0 for those of the used grid.

    Args:
        both: Both solutions.
        variance: Mean square of the residuals.
    """
    jacobian, residual = both.used.jacobian, both.used.residual
    difference = both.finer.residual - residual
    difference = difference - jacobian @ np.linalg.lstsq(jacobian, difference, rcond=None)[0]
    squares = float(difference @ difference)
    if squares == 0:
        return None
    return -float(residual @ difference) / squares, variance / squares


def _compared(objective: Objective, used: "_End", end: "_End") -> Refinement:
    """The end of a finer discretization, compared with that of the used one."""
    vector = objective.vector
    coarse, fine = vector.values(used.end), vector.values(end.end)
    is_held = (used.end == end.end) & ((end.end <= vector.lower) | (end.end >= vector.upper))
    rounding = np.finfo(float).eps * np.maximum(np.abs(coarse), np.finfo(float).tiny)
    shift = np.where(fine == coarse, rounding, fine - coarse)
    ratio = end.loss / used.loss if used.loss > 0 else inf
    return Refinement(np.where(is_held, np.nan, shift), ratio)


def _few_windows(objective: Objective, unknowns: np.ndarray) -> Objective:
    """The misfit to a few windows."""
    observations = objective.observations
    stretch = observations.subset(NUM_WINDOWS, observations.windows[0].num_frames)
    trial = objective.of(stretch)
    if stretch.num_values == observations.num_values:
        trial.reuse(objective.linearize(unknowns))  # of the same windows
    return trial


@dataclass(frozen=True)
class _End:
    """End of a minimization.

    Attributes:
        z: The last point.
        end: That point and the full step from there.
        loss: The loss that the linearization promises there.
    """

    z: np.ndarray
    end: np.ndarray
    loss: float

    @classmethod
    def of(cls, objective: Objective, at: Linearization) -> "_End":
        """The end at a linearization."""
        found = full_step(
            at, objective.bounds(), objective.vector.sizes(at.z), objective.num_values
        )
        return cls(at.z, at.z + found.step, at.loss * (1 - found.gain))


def _on_finer_grid(objective: Objective, used: _End, finer: Discretization) -> _End:
    """The estimate of a finer discretization, found with the derivatives of the used one.

    The error of these derivatives leaves an error of the first step of about its relative size, and
    the next steps are smaller by that factor. Where they are not, the derivatives of the finer
    discretization are computed.

    Raises:
        DivergenceError: if a rollout is no longer finite.
    """
    point, sizes, before = used.z, objective.vector.sizes(used.z), inf
    for _ in range(_MAX_STEPS):
        both = linearize_refined(objective, used.z, finer, point)
        found = _End.of(objective, both.finer)
        step, shift = np.abs(found.end - point), np.abs(found.end - used.end)
        is_first = before == inf
        if is_first and np.all(shift <= _SMALL_SHIFT * sizes):
            return found
        if not is_first and np.all(step <= np.maximum(_ACCURACY * shift, _SMALL_STEP * sizes)):
            return found
        length = float(np.linalg.norm(step / np.where(sizes > 0, sizes, 1.0)))
        if length > _CONTRACTION * before:
            break
        point, before = found.end, length
    with discretized(objective.model, finer):
        trial = Objective(
            objective.model, objective.observations, objective.vector, objective.dt,
            log=objective.log,
        )  # fmt: skip
        trial.noise_variance = objective.noise_variance
        z = gauss_newton(trial, point, MAX_ITERATIONS, TOLERANCE).z
        return _End.of(trial, trial.linearize(z))


def refined(used: Discretization) -> Discretization:
    """The same scheme on a grid twice as fine with smaller time steps."""
    by_stability = used.scheme in ("finite_difference", "weno", "staggered")
    factor = used.substeps_factor * (1 if by_stability else 2)
    return replace(used, refine=2 * used.refine, substeps_factor=factor)


def describe_shift(
    name: str, value: float, shift: float, std: float, used: Discretization
) -> str | None:
    """Warning for a parameter that depends on the grid; ``None`` if it hardly does."""
    if abs(shift) <= 0.01 * abs(value) or abs(shift) <= std:
        return None
    return (
        f"{name} = {number(value)} changes by {number(shift, 2)} when grid and time step are "
        f"refined: the estimate depends on the discretization ({used.label}). "
        f"If the data are resolved, set model.physical.numerics.refine: {2 * used.refine} or "
        "a higher order; if a coarse solver generated them, use its scheme"
    )
