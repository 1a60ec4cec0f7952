"""Bounded minimization of the misfit with SciPy: Gauss-Newton and L-BFGS-B.

Sources: Branch, Coleman and Li (1999), SIAM J. Sci. Comput. 21, 1-23 (bounded Gauss-Newton);
Byrd, Lu, Nocedal and Zhu (1995), SIAM J. Sci. Comput. 16, 1190-1208 (L-BFGS-B).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import Bounds, least_squares, minimize

from hybrid_pde.errors import DivergenceError
from hybrid_pde.training.physical.convergence import (
    IRRELEVANT,
    ROUNDING,
    FullStep,
    full_step,
    nothing_to_fit,
    without_influence,
)
from hybrid_pde.training.physical.initial_state_unknowns import MAX_DENSE
from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.objective import Objective

CONVERGED, MAX_ITERATIONS, DIVERGED = "converged", "max_iterations", "diverged"
# Ended at a point that is no minimum, without finding a better one.
STALLED = "stalled"

# A final step is skipped if it is below this fraction of the tolerance, since its effect remains as
# an error.
_SKIPPED = 0.1
# Relative step at a minimum if the tolerance is that of rounding.
_AT_ROUNDING = 1e-8
# Largest number of times that SciPy starts anew, and of halvings of a full step, two per trial.
_RESTARTS = 6
_HALVINGS, _HALVINGS_PER_TRIAL = 16, 2
# Relative decrease of the loss below which L-BFGS-B does not start anew.
_LEAST_DECREASE = 1e-3
# Relative gradient at which an L-BFGS-B run has converged even if its line search fails.
_FLAT = 1e-5


@dataclass
class Minimum:
    """End of a minimization.

    Attributes:
        z: The best point found.
        loss: The loss there.
        status: ``converged``, ``max_iterations``, ``stalled`` or ``diverged``.
        history: All evaluated points, ``(z, loss)``.
    """

    z: np.ndarray
    loss: float
    status: str = CONVERGED
    history: list[tuple[np.ndarray, float]] = field(default_factory=list)

    def add(self, z: np.ndarray, loss: float) -> None:
        """Add a point to the history, and update the best point."""
        self.history.append((np.array(z), loss))
        if loss < self.loss:
            self.z, self.loss = np.array(z), loss


def gauss_newton(
    objective: Objective, z: np.ndarray, max_iterations: int, tolerance: float
) -> Minimum:
    """Bounded nonlinear least squares, one linearization per step.

    If the rollout diverges at a trial point, the residual is infinite and SciPy shrinks the trust
    region. SciPy's own convergence counts only where the full step is negligible; elsewhere the
    minimization goes on from a point along that step.

    Args:
        objective: The objective.
        z: All unknowns to start from.
        max_iterations: Largest number of steps.
        tolerance: Relative change of the parameters at convergence; 0 for rounding.

    Raises:
        DivergenceError: if the rollout diverges at the start.
    """
    if objective.states is not None:
        objective.states.check_dense()
    trials = _Trials(objective, z, tolerance)
    trials.found.status = MAX_ITERATIONS
    for _ in range(_RESTARTS):
        left = max_iterations + 1 - trials.num_evaluations
        if left <= 0 or not trials.descend(z, left):
            break
        objective.reuse(trials.best)
        status, step = end_status(objective, trials.best, tolerance)
        if status == CONVERGED:
            trials.found.status = CONVERGED
            break
        lower = trials.along(step, max_iterations)
        if lower is None:
            trials.found.status = status or CONVERGED
            break
        z = lower
    objective.reuse(trials.best)
    return trials.found


def end_status(
    objective: Objective, at: Linearization, tolerance: float
) -> tuple[str | None, FullStep]:
    """Status of a minimization that cannot go on from a point, and the full step there.

    Returns:
        ``converged`` at a minimum; ``stalled`` where a large step remains, or where no parameter
        changes the prediction; ``None`` where a step remains that rounding may explain.
    """
    step = remaining_step(objective, at.z)
    absent = without_influence(at, len(objective.vector), objective.num_values)
    if absent.all() and not nothing_to_fit(at.loss):
        return STALLED, step
    if step.is_negligible(tolerance or _AT_ROUNDING):
        return CONVERGED, step
    return (STALLED if step.is_large else None), step


def remaining_step(objective: Objective, z: np.ndarray) -> FullStep:
    """The full Gauss-Newton step at a point.

    Raises:
        DivergenceError: if the rollout diverges.
    """
    sizes = objective.vector.sizes(z)
    return full_step(objective.linearize(z), objective.bounds(), sizes, objective.num_values)


class _Trials:
    """Evaluated points of a Gauss-Newton minimization.

    Args:
        objective: The objective.
        z: The start.
        tolerance: Relative change of the parameters at convergence.

    Attributes:
        best: Linearization at the best point.
        found: The best point and the history.
        num_evaluations: Number of linearizations after that of the start.
    """

    def __init__(self, objective: Objective, z: np.ndarray, tolerance: float) -> None:
        self._objective, self._tolerance = objective, tolerance
        self._least = max(ROUNDING, IRRELEVANT / objective.num_values)
        self.best: Linearization = objective.linearize(z)
        self._at = self.best
        self.found = Minimum(self.best.z, self.best.loss)
        self.found.add(self.best.z, self.best.loss)
        self.num_evaluations = 0

    def descend(self, z: np.ndarray, max_evaluations: int) -> bool:
        """Minimize from a point; whether SciPy ended before the last evaluation allowed."""
        try:
            result = least_squares(
                self._residual,
                z,
                jac=self._jacobian,
                bounds=self._objective.bounds(),
                method="trf",
                x_scale="jac",
                xtol=self._tolerance or None,
                ftol=self._least,
                gtol=None,
                max_nfev=max_evaluations,
            )
        except _ConvergedError:
            return True
        return bool(result.status != 0)

    def along(self, step: FullStep, max_iterations: int) -> np.ndarray | None:
        """A point along a step from the best point with a lower loss; ``None`` without one."""
        start, loss = self.best.z, self.best.loss
        lower, upper = self._objective.bounds()
        for halvings in range(0, _HALVINGS, _HALVINGS_PER_TRIAL):
            if self.num_evaluations >= max_iterations:
                return None
            z = np.clip(start + step.step / 2**halvings, lower, upper)
            self._residual(z)
            if self.best.loss < loss:
                return self.best.z
        return None

    def _residual(self, z: np.ndarray) -> np.ndarray:
        if not np.array_equal(z, self._at.z):
            self.num_evaluations += 1
            try:
                trial = self._objective.linearize(z)
            except DivergenceError:
                return np.full(len(self._at.residual), np.inf)
            self.found.add(trial.z, trial.loss)
            self._at = trial
            self.best = trial if trial.loss < self.best.loss else self.best
        return self._at.residual

    def _jacobian(self, z: np.ndarray) -> np.ndarray:
        # R is unique only up to a rotation: residual and Jacobian must be of one evaluation.
        if not np.array_equal(z, self._at.z):
            self._residual(z)
        # Called at accepted points. SciPy would evaluate the next step before it detects
        # convergence.
        sizes = self._objective.vector.sizes(z)
        if _ends_here(self._at, self._least, self._tolerance * sizes):
            raise _ConvergedError
        return self._at.jacobian


class _ConvergedError(Exception):
    """The minimization has converged; ends SciPy's iteration."""


def _ends_here(at: Linearization, least: float, shortest: np.ndarray) -> bool:
    """Whether the full Gauss-Newton step reduces the loss by less than ``least``, or is too short.

    Also true if the Jacobian or the residual is zero, so that there is no step.
    """
    if not at.jacobian.any() or not at.residual.any():
        return True
    step = np.linalg.lstsq(at.jacobian, -at.residual, rcond=None)[0]
    gain = float(np.sum((at.jacobian @ step) ** 2) / np.sum(at.residual**2))
    return gain <= _SKIPPED**2 * least or bool(np.all(np.abs(step) <= _SKIPPED * shortest))


def lbfgsb(objective: Objective, z: np.ndarray, max_iterations: int, tolerance: float) -> Minimum:
    """Bounded quasi-Newton minimization with reverse-mode gradients.

    It starts anew, with another unit of the gradient, where it ended but a full Gauss-Newton step
    is still large.

    Args:
        objective: The objective.
        z: All unknowns to start from.
        max_iterations: Largest number of iterations.
        tolerance: Relative change of the parameters at convergence; 0 for rounding.

    Raises:
        DivergenceError: if the rollout diverges at the start.
    """
    found, left = Minimum(np.array(z), np.inf), max_iterations
    for _ in range(_RESTARTS):
        before = found.loss
        left -= _lbfgsb_run(objective, found, left, tolerance)
        if found.status != CONVERGED or len(z) > MAX_DENSE:
            break
        try:
            status, _ = end_status(objective, objective.linearize(found.z), tolerance)
        except DivergenceError:
            break  # the rollout is finite there, its derivatives are not
        if status != STALLED:
            break
        found.status = STALLED
        if left <= 0 or found.loss >= before * (1 - _LEAST_DECREASE):
            break
    return found


def _lbfgsb_run(objective: Objective, found: Minimum, max_iterations: int, tolerance: float) -> int:
    """Run SciPy from the best point so far; returns the number of iterations."""
    z = found.z
    start_loss, start_gradient = objective.loss_and_gradient(z)
    if not found.history:
        found.loss = start_loss
    # In units of the initial gradient, the first trial step changes parameters by their own size.
    unit = float(np.max(np.abs(start_gradient))) or 1.0
    last = np.array(z)

    def evaluate(z: np.ndarray) -> tuple[float, np.ndarray]:
        try:
            loss, gradient = objective.loss_and_gradient(z)
        except DivergenceError:
            offset = z - found.z
            # A steep quadratic around the best point makes the line search turn back.
            curvature = 1e3 * (start_loss + unit)
            return (
                found.loss + curvature * float(1 + offset @ offset)
            ) / unit, 2 * curvature * offset / unit
        found.add(z, loss)
        return loss / unit, gradient / unit

    def stop_if_small(intermediate_result: Any) -> None:
        nonlocal last
        change = np.abs(intermediate_result.x - last)
        last = np.array(intermediate_result.x)
        if np.all(change <= tolerance * objective.vector.sizes(last)):
            raise StopIteration

    result = minimize(
        evaluate,
        z,
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(*objective.bounds()),
        callback=stop_if_small,
        options={"maxiter": max_iterations, "maxfun": 20 * max_iterations, "ftol": 0, "gtol": 1e-9},
    )
    flat = float(np.max(np.abs(np.atleast_1d(result.jac)))) <= _FLAT
    stopped = result.status == 99  # by the callback
    found.status = CONVERGED if result.success or stopped or flat else MAX_ITERATIONS
    return int(result.nit)


def history_of_point(objective: Objective, z: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """The history of one evaluation at parameters z; empty if the rollout diverges."""
    try:
        return [(z, objective.loss(objective.complete(z)))]
    except DivergenceError:
        return []


METHODS: dict[str, Callable[[Objective, np.ndarray, int, float], Minimum]] = {
    "gauss-newton": gauss_newton,
    "L-BFGS-B": lbfgsb,
}
