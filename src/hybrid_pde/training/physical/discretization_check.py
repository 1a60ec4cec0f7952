"""Discretization error of the estimate: its change on a finer grid with a smaller time step."""

from dataclasses import replace

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


def discretization_shift(objective: Objective, unknowns: np.ndarray) -> np.ndarray | None:
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
        The shift of each parameter in physical units, NaN for one that its bound holds; ``None``
        if the finer solution diverges.
    """
    model, used = objective.model, objective.model.discretization
    held = objective.with_states_held(unknowns)
    frames = held.observations.windows[0].num_frames
    stretch = held.observations.subset(NUM_WINDOWS, frames)
    ends, z = [], unknowns[: len(held.vector)]
    try:
        for discretization in (used, refined(used)):
            model.discretization = discretization
            trial = Objective(model, stretch, held.vector, held.dt, log=held.log)
            trial.noise_variance = held.noise_variance
            z = gauss_newton(trial, z, MAX_ITERATIONS, TOLERANCE).z
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
    return np.where(is_held, np.nan, shift)


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
