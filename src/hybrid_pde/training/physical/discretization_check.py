"""Discretization error of the estimate: its change on a finer grid with a smaller time step."""

from dataclasses import dataclass, replace
from math import inf

import numpy as np

from hybrid_pde.errors import DivergenceError
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training.physical.minimization import gauss_newton
from hybrid_pde.training.physical.minimum import (
    remaining_step,
)
from hybrid_pde.training.physical.objective import Objective

# Enough windows to measure the shift, at low cost on the finer grid.
NUM_WINDOWS = 4
MAX_ITERATIONS = 4
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Refinement:
    """The estimate on a finer discretization, compared with that on the used one.

    Attributes:
        shift: Change of each parameter in physical units; NaN for one that its bound holds.
        loss_ratio: Loss of the finer solution divided by that of the used one, each at its own
            estimate. Far above 1 where the data were made with the used discretization.
    """

    shift: np.ndarray
    loss_ratio: float = 1.0

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
    use the same few windows and the same initial states. The finer grid has smaller stable time
    steps; for the exponential integrator, which has no stability limit, their number is doubled.
    To each estimate the full Gauss-Newton step that is left there is added, so that shifts far
    below the tolerance of the two minimizations are resolved.

    Args:
        objective: The objective.
        unknowns: All unknowns at the minimum.

    Returns:
        The shift and the losses; ``None`` if the finer solution diverges.
    """
    model, used = objective.model, objective.model.discretization
    held = objective.with_states_held(unknowns)
    frames = held.observations.windows[0].num_frames
    stretch = held.observations.subset(NUM_WINDOWS, frames)
    ends, losses, z = [], [], unknowns[: len(held.vector)]
    try:
        for discretization in (used, refined(used)):
            model.discretization = discretization
            trial = Objective(model, stretch, held.vector, held.dt, log=held.log)
            trial.noise_variance = held.noise_variance
            found = gauss_newton(trial, z, MAX_ITERATIONS, TOLERANCE)
            z = found.z
            losses.append(found.loss)
            ends.append(z + remaining_step(trial, z).step)
    except DivergenceError:
        return None
    finally:
        model.discretization = used
    coarse, fine = (held.vector.values(end) for end in ends)
    lower, upper = held.vector.lower, held.vector.upper
    is_held = (ends[0] == ends[1]) & ((ends[1] <= lower) | (ends[1] >= upper))
    rounding = np.finfo(float).eps * np.maximum(np.abs(coarse), np.finfo(float).tiny)
    shift = np.where(fine == coarse, rounding, fine - coarse)
    used_loss, finer_loss = losses
    ratio = finer_loss / used_loss if used_loss > 0 else inf
    return Refinement(np.where(is_held, np.nan, shift), ratio)


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
        f"{name} = {value:.4g} changes by {shift:.2g} when grid and time step are refined: the "
        f"estimate depends on the discretization ({used.label}). If the data are resolved, set "
        f"model.physical.numerics.refine: {2 * used.refine} or a higher order; "
        "if a coarse solver generated them, use its scheme"
    )
