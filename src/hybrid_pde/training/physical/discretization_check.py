"""How far the estimate depends on the grid and the time step."""

from dataclasses import replace

import numpy as np

from hybrid_pde.errors import DivergenceError
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training.physical.minimization import gauss_newton
from hybrid_pde.training.physical.objective import Objective

# As many windows are enough to see a shift, and cheap on the finer grid.
NUM_WINDOWS = 4
MAX_ITERATIONS = 4
TOLERANCE = 1e-3


def discretization_shift(objective: Objective, unknowns: np.ndarray) -> np.ndarray | None:
    """Change of the parameters when the estimate is repeated on a grid twice as fine.

    Both estimates are made on the same few windows, from the same initial states, with the steps in
    time that the finer grid demands; the exponential integrator, which needs no more of them, takes
    twice as many.

    Args:
        objective: The fit.
        unknowns: Its minimum.

    Returns:
        The shift of each parameter in its own unit; ``None`` if the finer solution diverges.
    """
    model, used = objective.model, objective.model.discretization
    held = objective.with_states_held(unknowns)
    frames = held.observations.windows[0].num_frames
    stretch = held.observations.subset(NUM_WINDOWS, frames)
    trial = Objective(model, stretch, held.vector, held.dt, log=held.log)
    trial.noise_variance = held.noise_variance
    z = unknowns[: len(held.vector)]
    try:
        coarse = gauss_newton(trial, z, MAX_ITERATIONS, TOLERANCE).z
        model.discretization = refined(used)
        trial = Objective(model, stretch, held.vector, held.dt, log=held.log)
        trial.noise_variance = held.noise_variance
        fine = gauss_newton(trial, coarse, MAX_ITERATIONS, TOLERANCE).z
    except DivergenceError:
        return None
    finally:
        model.discretization = used
    return held.vector.values(fine) - held.vector.values(coarse)


def refined(used: Discretization) -> Discretization:
    """The same scheme on a grid twice as fine, with a step in time that is finer too."""
    by_stability = used.scheme in ("finite_difference", "weno", "staggered")
    factor = used.substeps_factor * (1 if by_stability else 2)
    return replace(used, refine=2 * used.refine, substeps_factor=factor)


def describe_shift(
    name: str, value: float, shift: float, std: float, used: Discretization
) -> str | None:
    """What to say of a parameter that depends on the grid; ``None`` if it hardly does."""
    if abs(shift) <= 0.01 * abs(value) or abs(shift) <= std:
        return None
    return (
        f"{name} = {value:.4g} changes by {shift:.2g} when grid and time step are refined: the "
        f"discretization ({used.label}) is part of the estimate. If the data are resolved, set "
        f"model.physical.numerics.refine: {2 * used.refine} or a higher order; if a coarse solver "
        "made them, its own scheme finds its own parameter"
    )
