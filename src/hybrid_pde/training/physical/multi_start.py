"""A whole minimization: from several starts, and against priors."""

import logging
import warnings

import numpy as np

from hybrid_pde.config.schema import PhysicalTraining
from hybrid_pde.errors import CalibrationError, DivergenceError
from hybrid_pde.training.physical.coarse_start import meet_on_coarse_grid, on_coarse_grid
from hybrid_pde.training.physical.minimization import MAX_ITERATIONS, METHODS, Minimum
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.uncertainty import assess

# Iterations that every start gets before the best one goes on.
_FIRST_ITERATIONS = 10
# Relative change of the parameters that ends a fit on a part of the frames.
_ROUGHLY = 1e-3
# Windows of so many frames are approached over these shares of them.
_LONG = 24
_SHARES = (1 / 8, 1 / 4, 1 / 2)
# Largest standard deviation, relative to the parameter, that a part of the frames is believed with.
_TRUSTED = 0.1
# Rounds that weigh priors against the noise found in the round before, and the change of the noise
# that ends them.
_ROUNDS = 6
_SAME_NOISE = 0.05

logger = logging.getLogger(__name__)


def calibrate(
    objective: Objective, start: np.ndarray, settings: PhysicalTraining, seed: int
) -> Minimum:
    """The best minimum from all starts.

    Args:
        objective: What is minimized.
        start: The first start, all unknowns.
        settings: Method, iterations, tolerance, number of starts.
        seed: Of the other starts.

    Raises:
        DivergenceError: if the rollout diverges from every start.
    """
    minimize = METHODS[settings.method]
    history: list[tuple[np.ndarray, float]] = []
    if settings.starts > 1:
        best = _best_start(objective, start, settings, seed)
        start, history = best.z, best.history
    coarse = on_coarse_grid(objective) if settings.method == "gauss-newton" else None
    if not objective.observations.hides_starts:
        size = len(objective.vector)
        held = objective.with_states_held(start) if coarse is None else coarse
        near, passed = _approached(held, start[:size], settings)
        start, history = np.concatenate([near, start[size:]]), [*history, *passed]
    if coarse is not None:
        met = meet_on_coarse_grid(coarse, start, settings.max_iterations, settings.abs_tol)
        start, history = met.z, [*history, *met.history]
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
    if found.status == MAX_ITERATIONS:
        warnings.warn(
            f"{settings.method} has not converged in max_iterations = {settings.max_iterations}; "
            "the estimate is the best one so far",
            stacklevel=2,
        )
    return found


def _approached(
    objective: Objective, z: np.ndarray, settings: PhysicalTraining
) -> tuple[np.ndarray, list[tuple[np.ndarray, float]]]:
    """Parameters near the minimum, at little cost, and the points that were passed.

    Long windows are fitted over a growing share of their frames: the misfit of a long rollout has
    many minima where that of a short one has one, and short ones cost less. A share of which the
    parameters are not determined is passed over. Initial states, where they are unknown too, are
    held as they were observed until the parameters are near.

    Source: Pisarenko and Sornette (2004), Phys. Rev. E 69, 036122, on the minima of long windows.
    """
    minimize = METHODS[settings.method]
    longest = objective.observations.windows[0].num_frames
    shares = _SHARES if longest >= _LONG else ()
    history: list[tuple[np.ndarray, float]] = []
    for share in shares:
        try:
            part = objective.until(max(2, round(share * longest)))
            found = minimize(part, z, _FIRST_ITERATIONS, _ROUGHLY)
            at = part.linearize(found.z)
        except (CalibrationError, DivergenceError):
            continue
        history += found.history
        trust = assess(at.jacobian, at.residual, part.num_values, len(z))
        if trust.determined.all() and np.all(trust.std <= _TRUSTED * np.maximum(1, np.abs(z))):
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
            logger.info("start %d of %d diverges", number + 1, settings.starts)
            continue
        history += found.history
        logger.info("start %d of %d: loss %.3g", number + 1, settings.starts, found.loss)
        if best is None or found.loss < best.loss:
            best = found
    if best is None:
        assert problem is not None
        raise problem
    best.history = history
    return best


def draw(
    lower: np.ndarray, upper: np.ndarray, start: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """A point z, uniform within the bounds; where one is open, within thrice the start's size."""
    reach = 3 * np.maximum(np.abs(start), 1.0)
    low = np.where(np.isfinite(lower), lower, np.minimum(start, upper) - reach)
    high = np.where(np.isfinite(upper), upper, np.maximum(start, lower) + reach)
    return random.uniform(low, high)
