"""Two ways to minimize the misfit within bounds, both SciPy's.

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

# A relative change of the loss below this is rounding.
_ROUNDING = 1e-14
# Near the minimum |r|² falls by σ² where the parameters come nearer by one standard deviation: with
# N values, a relative change of 1e-4/N is a hundredth of a standard deviation.
_IRRELEVANT = 1e-4
# A step that is not made is a tenth of what counts: what it would have changed stays an error.
_UNMADE = 0.1
# An L-BFGS-B run whose line search gives up has converged if its gradient has shrunk this much.
_FLAT = 1e-5


@dataclass
class Minimum:
    """Where a minimization ended.

    Attributes:
        z: The best point found.
        loss: The loss there.
        status: ``converged``, ``max_iterations`` or ``diverged``.
        history: Every point that was evaluated, ``(z, loss)``.
    """

    z: np.ndarray
    loss: float
    status: str = CONVERGED
    history: list[tuple[np.ndarray, float]] = field(default_factory=list)

    def note(self, z: np.ndarray, loss: float) -> None:
        """Keep a point, and remember it as the best one if it is."""
        self.history.append((np.array(z), loss))
        if loss < self.loss:
            self.z, self.loss = np.array(z), loss


def gauss_newton(
    objective: Objective, z: np.ndarray, max_iterations: int, tolerance: float
) -> Minimum:
    """Bounded nonlinear least squares, each step from one linearization.

    A trial point whose rollout diverges counts as not finite, on which SciPy's trust region
    shrinks and tries again.

    Args:
        objective: What is minimized.
        z: All unknowns to start from.
        max_iterations: Steps at most.
        tolerance: Smallest relative change of the parameters that counts; 0 for rounding.

    Raises:
        DivergenceError: if the rollout diverges at the start.
    """
    if objective.states is not None:
        objective.states.check_dense()
    best: Linearization = objective.linearize(z)
    at, found = best, Minimum(best.z, best.loss)
    found.note(at.z, at.loss)
    least = max(_ROUNDING, _IRRELEVANT / objective.num_values)

    def residual(z: np.ndarray) -> np.ndarray:
        nonlocal at, best
        if not np.array_equal(z, at.z):
            try:
                trial = objective.linearize(z)
            except DivergenceError:
                return np.full(len(at.residual), np.inf)
            found.note(trial.z, trial.loss)
            at = trial
            best = at if at.loss < best.loss else best
        return at.residual

    def jacobian(z: np.ndarray) -> np.ndarray:
        # The rotation of R differs from one evaluation to the next: both halves must be of one.
        if not np.array_equal(z, at.z):
            residual(z)
        # Asked for at points that are kept. SciPy would make the next step to see that it is small.
        if _is_minimum(at, least, tolerance):
            raise _ArrivedError
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
    except _ArrivedError:
        found.status = CONVERGED
    objective.keep(best)
    return found


class _ArrivedError(Exception):
    """A minimization is where no step is worth its cost."""


def _is_minimum(at: Linearization, least: float, tolerance: float) -> bool:
    """Whether the full step from a point gains a share below ``least``, or is hardly a step.

    Nor is there one where nothing depends on any unknown, or all is explained.
    """
    if not at.jacobian.any() or not at.residual.any():
        return True
    step = np.linalg.lstsq(at.jacobian, -at.residual, rcond=None)[0]
    gain = float(np.sum((at.jacobian @ step) ** 2) / np.sum(at.residual**2))
    return gain <= _UNMADE**2 * least or bool(
        np.all(np.abs(step) <= _UNMADE * tolerance * np.abs(at.z))
    )


def lbfgsb(objective: Objective, z: np.ndarray, max_iterations: int, tolerance: float) -> Minimum:
    """Bounded quasi-Newton minimization with reverse-mode gradients.

    Args:
        objective: What is minimized.
        z: All unknowns to start from.
        max_iterations: Iterations at most.
        tolerance: Smallest relative change of the parameters that counts; 0 for rounding.

    Raises:
        DivergenceError: if the rollout diverges at the start.
    """
    start_loss, start_gradient = objective.loss_and_gradient(z)
    found = Minimum(np.array(z), start_loss)
    # In units of the initial gradient, the first trial step moves parameters by their own size.
    unit = float(np.max(np.abs(start_gradient))) or 1.0
    last = np.array(z)

    def evaluate(z: np.ndarray) -> tuple[float, np.ndarray]:
        try:
            loss, gradient = objective.loss_and_gradient(z)
        except DivergenceError:
            away = z - found.z
            # A steep bowl around the best point: the line search turns back.
            steep = 1e3 * (start_loss + unit)
            return (found.loss + steep * float(1 + away @ away)) / unit, 2 * steep * away / unit
        found.note(z, loss)
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


METHODS: dict[str, Callable[[Objective, np.ndarray, int, float], Minimum]] = {
    "gauss-newton": gauss_newton,
    "L-BFGS-B": lbfgsb,
}
