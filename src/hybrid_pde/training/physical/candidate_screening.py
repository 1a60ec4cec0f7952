"""Prediction of how well a discretization can fit, without fitting it.

A discretization that is far from the data need not be taken to its optimum. Its residual at the
optimum of a better one, with the derivatives of that one, tells the smallest loss that it can reach
nearby: derivatives of two discretizations of a resolved solution are nearly the same.
"""

from dataclasses import dataclass

import numpy as np

from hybrid_pde.errors import DivergenceError
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training.physical.convergence import full_step
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.refined_linearization import discretized, linearize_refined

# Step relative to the parameters up to which the residual is about linear.
_LARGEST_STEP = 0.05


@dataclass(frozen=True)
class PredictedFit:
    """The optimum that a linearization promises.

    Attributes:
        z: The parameters.
        loss: The loss.
    """

    z: np.ndarray
    loss: float


def predicted_fit(
    objective: Objective, z: np.ndarray, used: Discretization, other: Discretization
) -> PredictedFit | None:
    """The optimum of a discretization as seen from that of another one.

    Args:
        objective: The misfit, with known initial states.
        z: Parameters at the optimum of the used discretization.
        used: The discretization whose derivatives are taken.
        other: The one to judge.

    Returns:
        The optimum; ``None`` if it is too far away to be predicted, or the solution diverges.
    """
    with discretized(objective.model, used):
        try:
            at = linearize_refined(objective, z, other, z).finer
        except DivergenceError:
            return None
    sizes = objective.vector.sizes(z)
    found = full_step(at, objective.bounds(), sizes, objective.num_values)
    if not np.all(np.abs(found.step) <= _LARGEST_STEP * sizes):
        return None
    return PredictedFit(z + found.step, at.loss * (1 - found.gain))
