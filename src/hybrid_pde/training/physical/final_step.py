"""Last step of a minimization, without a linearization after it.

Near the minimum the full Gauss-Newton step leaves an error of second order. A rollout without
derivatives of a few windows after the step shows this error e = r(z + s) − r(z) − J s, and with it
the step −J⁺e that would come next. Where that one is negligible, derivatives at the new point would
tell nothing new; on all windows they cost several times as much.
"""

from collections.abc import Sequence

import numpy as np

from hybrid_pde.errors import DivergenceError
from hybrid_pde.training.physical.convergence import full_step, nothing_to_fit
from hybrid_pde.training.physical.frame_arrays import (
    MOST_PARAMETERS,
    EndArrays,
    Sensitivities,
    kept_windows,
)
from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.residual_arrays import (
    has_all_sensitivities,
    residual_arrays,
)
from hybrid_pde.training.physical.residuals import Residuals

# Fewest windows of many that show how far the solution is from linear.
_FEWEST_WINDOWS = 2
# Axes of the residuals of sensor readings; frames have more.
_READING_AXES = 2
# Eigenvalues of JᵀJ with a unit diagonal that count.
_SINGULAR = 1e-12


def after_final_step(
    objective: Objective, at: Linearization, shortest: np.ndarray, least_gain: float
) -> Linearization | None:
    """The end of a minimization, one full step from a linearization; ``None`` if it goes on.

    Args:
        objective: The misfit.
        at: The linearization; its step is tried where its square, relative to each parameter, is
            short enough.
        shortest: Length of a step of each parameter that is negligible.
        least_gain: Relative decrease of |r|² that is.
    """
    if not _is_assessable(objective):
        return None
    sizes = objective.vector.sizes(at.z)
    step = full_step(at, objective.bounds(), sizes, objective.num_values).step
    if not np.all(step**2 <= shortest * sizes):
        return None
    try:
        before = objective.sensitivities(at.z)
        residuals = residual_arrays(objective, at.z + step)
    except DivergenceError:
        return None
    after = _of_windows(objective, residuals, before)
    if not after or not _is_negligible(before, after, step, shortest, least_gain):
        return None
    windows = [
        Sensitivities(residual, each.slopes) for residual, each in zip(after, before, strict=True)
    ]
    end = at.after(step, EndArrays(windows, residuals), objective.num_values)
    return None if nothing_to_fit(end.loss) else end  # rounding errors are not predicted


def _is_assessable(objective: Objective) -> bool:
    """True if all unknowns are a few parameters, and a few windows stand for all."""
    vector = objective.vector
    return (
        objective.states is None
        and len(vector) <= MOST_PARAMETERS
        and not vector.has_priors
        and not any(vector.is_field(name) for name in vector.parameters)
        and not any(window.readings for window in objective.observations.windows)
        and _few_stand_for_all(objective)
    )


def _few_stand_for_all(objective: Objective) -> bool:
    """True if the windows with derivatives are all, or several whole ones without hidden values."""
    if has_all_sensitivities(objective):
        return True
    whole = objective.observations
    few = kept_windows(whole, len(objective.vector) + 1).observations
    is_cut = few.windows[0].num_frames < whole.windows[0].num_frames
    return len(few.windows) >= _FEWEST_WINDOWS and not is_cut and not whole.hides


def _of_windows(
    objective: Objective, residuals: Sequence[Residuals], windows: Sequence[Sensitivities]
) -> list[Residuals]:
    """Residuals of the windows with derivatives among those of all that are kept."""
    count = len(objective.vector) + 1
    every = kept_windows(objective.observations)
    few = kept_windows(objective.observations, count)
    frames = [each for each in residuals if each.values.ndim > _READING_AXES]
    order = [number for numbers in every.observations.chunks() for number in numbers]
    own = [number for numbers in few.observations.chunks() for number in numbers]
    if len(frames) != len(order) or len(windows) != len(own):
        return []  # some windows have no observed frames
    by_number = {every.numbers[n]: each for n, each in zip(order, frames, strict=True)}
    found = []
    for number, window in zip(own, windows, strict=True):
        each = by_number[few.numbers[number]]
        kept = slice(len(window.residuals.values))
        found.append(
            Residuals(
                each.values[kept],
                window.residuals.observed,
                each.simulation,
                None if each.states is None else each.states[kept],
            )
        )
    return found


def _is_negligible(
    before: Sequence[Sensitivities],
    after: Sequence[Residuals],
    step: np.ndarray,
    shortest: np.ndarray,
    least_gain: float,
) -> bool:
    """True if the step that would come next is short, or gains nothing."""
    size = len(step)
    gram, score, squares = np.zeros((size, size)), np.zeros(size), 0.0
    for each, residual in zip(before, after, strict=True):
        slopes = each.slopes.reshape(size, -1)
        error = (residual.values - each.residuals.values).ravel() - step @ slopes
        gram += slopes @ slopes.T
        score += slopes @ error
        squares += float((residual.values**2).sum())
    scale = np.sqrt(np.diag(gram))
    scale = np.where(scale > 0, scale, 1.0)
    inverse = np.linalg.pinv(gram / np.outer(scale, scale), _SINGULAR, hermitian=True)
    following = -(inverse @ (score / scale)) / scale
    gain = float(following @ gram @ following)
    return bool(np.all(np.abs(following) <= shortest)) or gain <= least_gain * squares
