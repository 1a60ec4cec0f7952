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
from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.objective import Objective

CONVERGED, MAX_ITERATIONS, DIVERGED = "converged", "max_iterations", "diverged"

# Relative change of the loss that is rounding error.
_ROUNDING = 1e-14
# Near the minimum, moving the parameters by one standard deviation changes |r|² by σ². With N
# values, a relative change of 1e-4/N is a hundredth of a standard deviation.
_IRRELEVANT = 1e-4
# A final step is skipped if it is below this fraction of the tolerance, since its effect remains as
# an error.
_SKIPPED = 0.1
# Relative gradient at which an L-BFGS-B run has converged even if its line search fails.
_FLAT = 1e-5


@dataclass
class Minimum:
    """End of a minimization.

    Attributes:
        z: The best point found.
        loss: The loss there.
        status: ``converged``, ``max_iterations`` or ``diverged``.
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
    region.

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
    best: Linearization = objective.linearize(z)
    at, found = best, Minimum(best.z, best.loss)
    found.add(at.z, at.loss)
    least = max(_ROUNDING, _IRRELEVANT / objective.num_values)

    def residual(z: np.ndarray) -> np.ndarray:
        nonlocal at, best
        if not np.array_equal(z, at.z):
            try:
                trial = objective.linearize(z)
            except DivergenceError:
                return np.full(len(at.residual), np.inf)
            found.add(trial.z, trial.loss)
            at = trial
            best = at if at.loss < best.loss else best
        return at.residual

    def jacobian(z: np.ndarray) -> np.ndarray:
        # R is unique only up to a rotation: residual and Jacobian must be of one evaluation.
        if not np.array_equal(z, at.z):
            residual(z)
        # Called at accepted points. SciPy would evaluate the next step before it detects
        # convergence.
        if _is_minimum(at, least, tolerance):
            raise _ConvergedError
        return at.jacobian

    try:
        result = least_squares(
            residual,
            z,
            jac=jacobian,
            bounds=objective.bounds(),
            method="trf",
            x_scale="jac",
            xtol=tolerance or None,
            ftol=least,
            gtol=None,
            max_nfev=max_iterations + 1,
        )
        found.status = MAX_ITERATIONS if result.status == 0 else CONVERGED
    except _ConvergedError:
        found.status = CONVERGED
    objective.reuse(best)
    return found


class _ConvergedError(Exception):
    """The minimization has converged; ends SciPy's iteration."""


def _is_minimum(at: Linearization, least: float, tolerance: float) -> bool:
    """Whether the full Gauss-Newton step reduces the loss by less than ``least``, or is too short.

    Also true if the Jacobian or the residual is zero.
    """
    if not at.jacobian.any() or not at.residual.any():
        return True
    step = np.linalg.lstsq(at.jacobian, -at.residual, rcond=None)[0]
    gain = float(np.sum((at.jacobian @ step) ** 2) / np.sum(at.residual**2))
    return gain <= _SKIPPED**2 * least or bool(
        np.all(np.abs(step) <= _SKIPPED * tolerance * np.abs(at.z))
    )


def lbfgsb(objective: Objective, z: np.ndarray, max_iterations: int, tolerance: float) -> Minimum:
    """Bounded quasi-Newton minimization with reverse-mode gradients.

    Args:
        objective: The objective.
        z: All unknowns to start from.
        max_iterations: Largest number of iterations.
        tolerance: Relative change of the parameters at convergence; 0 for rounding.

    Raises:
        DivergenceError: if the rollout diverges at the start.
    """
    start_loss, start_gradient = objective.loss_and_gradient(z)
    found = Minimum(np.array(z), start_loss)
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
        if np.all(change <= tolerance * np.abs(last)):
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
    return found


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
