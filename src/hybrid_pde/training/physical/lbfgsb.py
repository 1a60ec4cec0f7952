"""Bounded minimization of the misfit with SciPy's L-BFGS-B, by reverse-mode gradients.

Source: Byrd, Lu, Nocedal and Zhu (1995), SIAM J. Sci. Comput. 16, 1190-1208.
"""

from typing import Any

import numpy as np
from scipy.optimize import Bounds, minimize

from hybrid_pde.errors import DivergenceError
from hybrid_pde.training.physical.convergence import nothing_to_fit
from hybrid_pde.training.physical.minimum import (
    CONVERGED,
    MAX_ITERATIONS,
    RESTARTS,
    STALLED,
    Minimum,
    end_status,
)
from hybrid_pde.training.physical.objective import Objective

# Ratio of a start to the scale of a parameter from which another unit is needed.
_FAR = 100.0
# Relative decrease of the loss below which the minimization is not restarted.
_LEAST_DECREASE = 1e-3
# Relative gradient at which a run has converged even if its line search fails.
_FLAT = 1e-5


def lbfgsb(objective: Objective, z: np.ndarray, max_iterations: int, tolerance: float) -> Minimum:
    """Bounded quasi-Newton minimization with reverse-mode gradients.

    It restarts, with another unit of the gradient, where it ended but a full Gauss-Newton step
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
    for _ in range(RESTARTS):
        before = found.loss
        left -= _run(objective, found, left, tolerance)
        if found.status != CONVERGED or not objective.can_linearize:
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


def _run(objective: Objective, found: Minimum, max_iterations: int, tolerance: float) -> int:
    """Run SciPy from the best point so far; returns the number of iterations."""
    z = found.z
    units = _units(objective, z)
    start_loss, start_gradient = objective.loss_and_gradient(z)
    if not found.history:
        found.loss = start_loss
    if nothing_to_fit(start_loss):
        found.add(z, start_loss)
        found.status = CONVERGED
        return 0
    # In units of the initial gradient, the first trial step changes parameters by their own size.
    unit = float(np.max(np.abs(units * start_gradient))) or 1.0
    last = np.array(z)

    def evaluate(scaled: np.ndarray) -> tuple[float, np.ndarray]:
        z = scaled * units
        try:
            loss, gradient = objective.loss_and_gradient(z)
        except DivergenceError:
            offset = scaled - found.z / units
            # A steep quadratic around the best point makes the line search turn back.
            curvature = 1e3 * (start_loss + unit)
            return (
                found.loss + curvature * float(1 + offset @ offset)
            ) / unit, 2 * curvature * offset / unit
        found.add(z, loss)
        return loss / unit, units * gradient / unit

    def stop_if_small(intermediate_result: Any) -> None:
        nonlocal last
        z = intermediate_result.x * units
        change, last = np.abs(z - last), z
        if np.all(change <= tolerance * objective.vector.sizes(last)):
            raise StopIteration

    lower, upper = objective.bounds()
    result = minimize(
        evaluate,
        z / units,
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(lower / units, upper / units),
        callback=stop_if_small,
        options={"maxiter": max_iterations, "maxfun": 20 * max_iterations, "ftol": 0, "gtol": 1e-9},
    )
    flat = float(np.max(np.abs(np.atleast_1d(result.jac)))) <= _FLAT
    stopped = result.status == 99  # by the callback
    found.status = CONVERGED if result.success or stopped or flat else MAX_ITERATIONS
    return int(result.nit)


def _units(objective: Objective, z: np.ndarray) -> np.ndarray:
    """1, or the size of a parameter at the start where that is far from the guess, its scale."""
    vector, units = objective.vector, np.ones(len(z))
    for name in vector.parameters:
        owned = [entry for entry in vector.owned(name) if not vector.is_log[entry]]
        size = float(np.max(np.abs(z[owned]), initial=0.0))
        if size > 0 and not 1 / _FAR <= size <= _FAR:
            units[owned] = size
    return units
