"""Minimization from several starts, over growing time horizons, and with priors."""

import logging

import numpy as np

from hybrid_pde.config.schema import PhysicalTraining
from hybrid_pde.errors import CalibrationError, DivergenceError
from hybrid_pde.training.physical.coarse_start import minimize_on_coarse_grid, on_coarse_grid
from hybrid_pde.training.physical.convergence import nothing_to_fit, without_influence
from hybrid_pde.training.physical.denoised_states import without_noise
from hybrid_pde.training.physical.magnitude_search import better_start
from hybrid_pde.training.physical.minimization import METHODS
from hybrid_pde.training.physical.minimum import (
    STALLED,
    Minimum,
)
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.reference_loss import explains
from hybrid_pde.training.physical.uncertainty import assess

# Iterations of every start before the best one is continued.
_FIRST_ITERATIONS = 10
# Tolerance of a fit to a part of the frames.
_HORIZON_TOLERANCE = 1e-3
# Windows of at least this many frames are first fitted on these fractions of their frames.
_LONG_WINDOW = 24
_HORIZON_FRACTIONS = (1 / 8, 1 / 4, 1 / 2)
# Largest relative standard deviation for which a fit to a part of the frames is accepted.
_LARGEST_RELATIVE_STD = 0.1
# Largest number of rounds that update the noise variance for priors, and the relative change of the
# noise variance at which they end.
_ROUNDS = 6
_SAME_NOISE = 0.05

# Loss of a perfect fit to data in single precision.
_PERFECT = float(np.finfo(np.float32).eps) ** 2

logger = logging.getLogger(__name__)


def minimize_from_all_starts(
    objective: Objective, start: np.ndarray, settings: PhysicalTraining, seed: int
) -> Minimum:
    """The best minimum of all starts.

    Args:
        objective: The objective.
        start: The first start, all unknowns.
        settings: Method, iterations, tolerance, number of starts.
        seed: Seed of the other starts.

    Raises:
        DivergenceError: if the rollout diverges from every start.
    """
    history: list[tuple[np.ndarray, float]] = []
    if settings.starts > 1:
        best = _best_start(objective, start, settings, seed)
        start, history = best.z, best.history
    found = _minimize_from(objective, start, settings)
    history += found.history
    if not _is_plausible(objective, found):
        again = _minimum_of_other_magnitude(objective, found, settings)
        history += [] if again is None else again.history
        found = again if again is not None and again.loss < found.loss else found
    found.history = history
    return found


def _minimum_of_other_magnitude(
    objective: Objective, found: Minimum, settings: PhysicalTraining
) -> Minimum | None:
    other = better_start(objective, found.z[: len(objective.vector)])
    if other is None:
        return None
    try:
        return _minimize_from(objective, objective.complete(other), settings)
    except DivergenceError:
        return None


def _minimize_from(objective: Objective, start: np.ndarray, settings: PhysicalTraining) -> Minimum:
    """The minimum reached from one start, over growing horizons and on a coarse grid first."""
    minimize = METHODS[settings.method]
    history: list[tuple[np.ndarray, float]] = []
    coarse = on_coarse_grid(objective) if settings.method == "gauss-newton" else None
    if not objective.observations.hides_starts:
        size = len(objective.vector)
        start = without_noise(objective, start)
        held = objective.with_states_held(start) if coarse is None else coarse
        near, evaluated = _growing_horizon(held, start[:size], settings)
        start, history = np.concatenate([near, start[size:]]), [*history, *evaluated]
    if coarse is not None:
        rough = minimize_on_coarse_grid(coarse, start, settings.max_iterations, settings.abs_tol)
        start, history = rough.z, [*history, *rough.history]
    found = minimize(objective, start, settings.max_iterations, settings.abs_tol)
    history += found.history
    if objective.vector.has_priors:
        for _ in range(_ROUNDS):
            before = objective.noise_variance
            objective.weigh_priors(found.z)
            if abs(objective.noise_variance - before) <= _SAME_NOISE * before:
                break
            found = minimize(objective, found.z, settings.max_iterations, settings.abs_tol)
            history += found.history
    found.history = history
    return found


def _is_plausible(objective: Objective, found: Minimum) -> bool:
    """True if the end of a minimization may be the best one: no other magnitude need be tried."""
    if nothing_to_fit(found.loss):
        return True
    if found.status == STALLED or not explains(objective, found.loss):
        return False
    if not objective.can_linearize:
        return True
    at = objective.linearize(found.z)  # reused for the standard deviations
    return not without_influence(at, len(objective.vector), objective.num_values).any()


def _growing_horizon(
    objective: Objective, z: np.ndarray, settings: PhysicalTraining
) -> tuple[np.ndarray, list[tuple[np.ndarray, float]]]:
    """Approximate parameters from a growing time horizon, and the evaluated points.

    Long windows are fitted on a growing fraction of their frames: the misfit of a long rollout may
    have many local minima where that of a short one has a single minimum, and short rollouts are
    cheaper. A fraction that does not determine the parameters is skipped. Initial states are held
    at their observed values.

    Source: Pisarenko and Sornette (2004), Phys. Rev. E 69, 036122, on local minima for long
    windows.
    """
    minimize = METHODS[settings.method]
    longest = objective.observations.windows[0].num_frames
    fractions = _HORIZON_FRACTIONS if longest >= _LONG_WINDOW else ()
    history: list[tuple[np.ndarray, float]] = []
    for fraction in fractions:
        try:
            part = objective.until(max(2, round(fraction * longest)))
            found = minimize(part, z, _FIRST_ITERATIONS, _HORIZON_TOLERANCE)
            at = part.linearize(found.z)
        except (CalibrationError, DivergenceError):
            continue
        history += found.history
        trust = assess(at.jacobian, at.residual, part.num_values, len(z))
        if trust.determined.all() and np.all(
            trust.std <= _LARGEST_RELATIVE_STD * np.maximum(1, np.abs(z))
        ):
            z = found.z
    return z, history


def _best_start(
    objective: Objective, start: np.ndarray, settings: PhysicalTraining, seed: int
) -> Minimum:
    vector = objective.vector
    random = np.random.default_rng([seed, settings.starts])
    minimize = METHODS[settings.method]
    iterations = min(_FIRST_ITERATIONS, settings.max_iterations)
    best: Minimum | None = None
    history: list[tuple[np.ndarray, float]] = []
    problem: DivergenceError | None = None
    for number in range(settings.starts):
        unknowns = np.array(start)
        if number:
            unknowns[: len(vector)] = draw(vector.lower, vector.upper, vector.start, random)
        try:
            found = minimize(objective, unknowns, iterations, settings.abs_tol)
        except DivergenceError as error:
            problem = error
            logger.info("start %d of %d: diverged", number + 1, settings.starts)
            continue
        history += found.history
        logger.info("start %d of %d: loss %.3g", number + 1, settings.starts, found.loss)
        if best is None or found.loss < best.loss:
            best = found
        if best.loss <= _PERFECT:
            break
    if best is None:
        assert problem is not None
        raise problem
    best.history = history
    return best


def draw(
    lower: np.ndarray, upper: np.ndarray, start: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """A random z, uniform within the bounds; open bounds are at 3 times the size of the start."""
    reach = 3 * np.maximum(np.abs(start), 1.0)
    low = np.where(np.isfinite(lower), lower, np.minimum(start, upper) - reach)
    high = np.where(np.isfinite(upper), upper, np.maximum(start, lower) + reach)
    return random.uniform(low, high)
