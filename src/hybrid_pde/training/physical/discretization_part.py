"""Part of the uncertainty that the finite grid and time step leave."""

from math import sqrt

import numpy as np

from hybrid_pde.training.physical.discretization_check import Refinement
from hybrid_pde.training.physical.objective import Objective

# Loss of the finer solution relative to the used one below which it explains the residuals. Noise
# that hides both leaves a ratio next to 1.
_EXPLAINED = 0.5
# Error of the shift on a finer grid relative to it, at least: 1/(2^p − 1) for a scheme of order p.
_ACCURACY_OF_SHIFT = 0.1
# Amplitude of the finer solution, in its standard deviations, up to which chance explains it.
_CHANCE = 2.0


def closest(refinement: Refinement | None, is_rounding: bool) -> Refinement | None:
    """The finer solution that says most about the data's own discretization error.

    Of data of the used grid it is that with half the time step, if it explains the residuals, or if
    these are hardly more than rounding.
    """
    if refinement is None or refinement.of_steps is None or left_by(refinement) < 1.0:
        return refinement
    explains = left_by(refinement.of_steps) < 1.0
    return refinement.of_steps if explains or is_rounding else refinement


def left_by(refinement: Refinement | None) -> float:
    """Share of the loss that a finer solution leaves; 1 where it does not explain the residuals."""
    ratio = 1.0 if refinement is None else refinement.loss_ratio
    return ratio if ratio < _EXPLAINED else 1.0


def discretization_part(
    objective: Objective, refinement: Refinement | None, left: float, correlated: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """Shift of a finer solution: of z, as far as its sign is known, and its size in physical units.

    Its sign is known where the finer solution explains the residuals. With estimated initial states
    these are noise, of which its amplitude α was found by regression, with the prior α ~ N(0, 1):
    data of the used grid have α = 0, resolved ones α = 1.

    Args:
        objective: The misfit.
        refinement: The finer solution.
        left: Share of the loss that it leaves.
        correlated: Number of residuals that stand for one independent value.
    """
    vector = objective.vector
    if refinement is None:
        return np.zeros(len(vector)), None
    size = refinement.uncertainty
    known = (1 - left) * np.sign(refinement.shift) * size
    if refinement.amplitude is not None:
        amplitude, variance = refinement.amplitude
        precision = 1 + 1 / (variance * correlated)
        amplitude *= 1 - 1 / precision
        size = np.abs(refinement.shift) * sqrt(amplitude**2 + 1 / precision)
        is_chance = amplitude**2 <= _CHANCE**2 / precision
        known = (0.0 if is_chance else amplitude) * refinement.shift
    order = objective.model.discretization.convergence_order
    accuracy = max(_ACCURACY_OF_SHIFT, 1 / (2.0**order - 1))
    shift = np.nan_to_num(known / vector.slopes(vector.read()))
    return shift, np.hypot(size, accuracy * known)
