"""End of a minimization: best point, status, and the test whether it is a minimum."""

from dataclasses import dataclass, field

import numpy as np

from hybrid_pde.training.physical.convergence import (
    FullStep,
    full_step,
    nothing_to_fit,
    without_influence,
)
from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.objective import Objective

CONVERGED, MAX_ITERATIONS, DIVERGED = "converged", "max_iterations", "diverged"
# Ended at a point that is no minimum, without finding a better one.
STALLED = "stalled"
# Largest number of times that SciPy is restarted where it ended at no minimum.
RESTARTS = 6

# Relative step at a minimum if the tolerance is that of rounding.
_AT_ROUNDING = 1e-8


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
