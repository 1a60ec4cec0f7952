"""Search for a start of the right magnitude, for initial guesses off by orders of magnitude.

Far from the solution the misfit has no slope that leads there: everything has decayed within a
frame, or nothing changes yet. Losses at log-spaced values of one parameter after the other, on a
coarse grid and a short stretch of the data, find the magnitude; short minimizations from the best
of them tell whether the start is better than the guess.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hybrid_pde.errors import DivergenceError
from hybrid_pde.training.physical.coarse_start import on_coarse_grid
from hybrid_pde.training.physical.convergence import without_influence
from hybrid_pde.training.physical.magnitudes import joint_magnitudes, magnitudes
from hybrid_pde.training.physical.minimization import METHODS
from hybrid_pde.training.physical.minimum import (
    STALLED,
    Minimum,
)
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.reference_loss import explains

# Long enough to tell magnitudes apart, short compared with a calibration.
_NUM_WINDOWS, _NUM_FRAMES = 4, 4
# A full step by more than this multiple of a parameter, or this change of a logarithm, is no longer
# that of a guess near the solution.
_LARGE_RATIO, _LARGE_LOG_STEP = 10.0, 3.0
# Combinations of parameters with relative singular values below this are left out of that step.
_DEPENDENT = 1e-3
# With more parameters the derivatives at the guess cost more than they are worth.
_MAX_PARAMETERS = 64
# Smallest number of points along an axis of the coarse grid.
_SMALLEST_NUM_POINTS = 24
# Time steps per frame from which larger values are not tried: they would take minutes.
_MAX_SUBSTEPS = 100
# Starts that are minimized, and the length and tolerance of their minimizations.
_CANDIDATES, _ITERATIONS, _TOLERANCE = 3, 15, 1e-3
# Searches one after the other; each starts where the one before ended.
_PASSES = 2
# A start is better only if its loss is below this fraction of that of the guess.
_BETTER = 0.9

logger = logging.getLogger(__name__)


def start_of_right_magnitude(objective: Objective, z: np.ndarray) -> np.ndarray:
    """The initial guess, or a better start if the guess is off by orders of magnitude.

    One linearization on a short stretch decides whether other magnitudes are tried.

    Args:
        objective: The objective.
        z: The initial guess, parameters only.
    """
    stretch = _short_stretch(objective)
    if len(z) > _MAX_PARAMETERS or not _is_doubtful(stretch, z):
        return z
    if stretch.substeps_used > _MAX_SUBSTEPS:  # from there, a minimization takes minutes
        found = _best_of_other_magnitudes(stretch, z, None)
        if found is not None and explains(stretch, found.loss):
            return _announced(objective, found)
    own = _minimum(stretch, z)
    if own is not None and own.status != STALLED and explains(stretch, own.loss):
        return own.z[: len(z)]
    found = _better(stretch, z, own)
    return z if found is None else _announced(objective, found)


def better_start(objective: Objective, z: np.ndarray) -> np.ndarray | None:
    """Parameters of another magnitude that fit a short stretch clearly better; ``None`` if none do.

    Args:
        objective: The objective.
        z: Parameters to improve.
    """
    stretch = _short_stretch(objective)
    found = _better(stretch, z, _minimum(stretch, z))
    return None if found is None else _announced(objective, found)


def _better(stretch: Objective, z: np.ndarray, own: Minimum | None) -> Minimum | None:
    """The best minimum from other magnitudes, if it is clearly below the one from the guess."""
    best = _best_of_other_magnitudes(stretch, z, own)
    if best is None or (own is not None and best.loss >= _BETTER * own.loss):
        logger.info("other magnitudes of the parameters fit no better")
        return None
    return best


def _best_of_other_magnitudes(
    stretch: Objective, z: np.ndarray, own: Minimum | None
) -> Minimum | None:
    best = own
    # A second pass, in case more than one parameter is off.
    for _ in range(_PASSES):
        around, before = z if best is None else best.z[: len(z)], best
        for candidate in _candidates(stretch, around if before is not own else z):
            found = _minimum(stretch, candidate)
            if found is not None and (best is None or found.loss < best.loss):
                best = found
            if best is not None and explains(stretch, best.loss):
                return best
        if best is before:
            break
    return best


def _announced(objective: Objective, found: Minimum) -> np.ndarray:
    """The parameters of a start, logged."""
    vector = objective.vector
    z = found.z[: len(vector)]
    pairs = zip(vector.labels, vector.values(z), strict=True)
    named = {label: float(f"{value:.4g}") for label, value in pairs}
    logger.info("the calibration starts at another magnitude: %s", named)
    return z


def _short_stretch(objective: Objective) -> Objective:
    """The misfit on a short stretch of the data, on a coarse grid if the full one is costly."""
    whole = objective.observations
    frames = whole.windows[0].num_frames if whole.hides else _NUM_FRAMES
    stretch = whole.subset(_NUM_WINDOWS, frames)
    estimate = objective.states is not None and stretch.hides_starts
    trial = Objective(
        objective.model, stretch, objective.vector, objective.dt, estimate, objective.log
    )
    trial.noise_variance = objective.noise_variance
    return on_coarse_grid(trial) or trial


def _is_doubtful(stretch: Objective, z: np.ndarray) -> bool:
    """True if the rollout at a guess diverges, ignores a parameter, or asks for a huge step."""
    try:
        at = stretch.linearize(stretch.complete(z))
    except DivergenceError:
        return True
    vector = stretch.vector
    if without_influence(at, len(z), stretch.num_values).any():
        return True
    jacobian, residual = at.of_parameters(len(z))
    lengths = np.linalg.norm(jacobian, axis=0)
    lengths[lengths == 0] = 1.0
    step = np.linalg.lstsq(jacobian / lengths, -residual, rcond=_DEPENDENT)[0] / lengths
    if np.any(np.abs(step[vector.is_log]) > _LARGE_LOG_STEP):
        return True
    for name in vector.parameters:
        owned = [entry for entry in vector.owned(name) if not vector.is_log[entry]]
        if np.linalg.norm(step[owned]) > _LARGE_RATIO * np.linalg.norm(z[owned]):
            return True
    return False


def _minimum(stretch: Objective, z: np.ndarray) -> Minimum | None:
    method = "gauss-newton" if len(z) <= _MAX_PARAMETERS else "L-BFGS-B"
    try:
        return METHODS[method](stretch, stretch.complete(z), _ITERATIONS, _TOLERANCE)
    except DivergenceError:
        return None


def _candidates(stretch: Objective, z: np.ndarray) -> list[np.ndarray]:
    """The points with the smallest losses among log-spaced values of each parameter.

    If the solution diverges at all of them, among values of all parameters at once.
    """
    model, used = stretch.model, stretch.model.discretization
    points = min(n * used.refine for n in stretch.observations.grid.shape)
    times = max(1, points // _SMALLEST_NUM_POINTS)
    ranges = (stretch.vector, stretch.observations, stretch.dt, z)
    try:
        if used.scheme == "finite_difference" and times > 1:
            model.discretization = replace(used, coarsen=times)
        tried = [each for series in magnitudes(*ranges) for each in _losses(stretch, series)]
        tried = tried or _losses(stretch, joint_magnitudes(*ranges))
    finally:
        model.discretization = used
    tried.sort(key=lambda each: each[0])
    return [point for _, point in tried[:_CANDIDATES]]


def _losses(stretch: Objective, series: Sequence[np.ndarray]) -> list[tuple[float, np.ndarray]]:
    """Points from small to large values with their losses, where the solution is finite."""
    found = []
    for point in series:
        try:
            found.append((stretch.loss(stretch.complete(point)), point))
        except DivergenceError:
            continue
        if stretch.model.substeps_used > _MAX_SUBSTEPS:
            break
    return found
