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
        after, residuals = _residuals_after(objective, at.z + step)
    except DivergenceError:
        return None
    if not _is_negligible(before, after, step, shortest, least_gain):
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


def _residuals_after(
    objective: Objective, z: np.ndarray
) -> tuple[Sequence[Residuals], Sequence[Residuals] | None]:
    """Residuals at a point of the windows with derivatives, and of all that are kept, if known.

    One rollout gives both, unless windows share frames: the residuals are then weighted otherwise.

    Raises:
        DivergenceError: if the rollout is no longer finite.
    """
    count = len(objective.vector) + 1
    every, few = (kept_windows(objective.observations, columns) for columns in (1, count))
    if few.observations is every.observations:
        found = residual_arrays(objective, z)
        return found, found
    if every.observations.shares_frames:
        return residual_arrays(objective, z, count), None
    found = residual_arrays(objective, z)
    order = [every.numbers[n] for numbers in every.observations.chunks() for n in numbers]
    by_number = dict(zip(order, found, strict=True))
    own = [few.numbers[n] for numbers in few.observations.chunks() for n in numbers]
    return [by_number[number] for number in own], found


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
