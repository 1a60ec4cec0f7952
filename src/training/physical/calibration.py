"""A whole minimization: from several starts, and against priors."""

import logging
import warnings

import numpy as np

from src.config.schema import PhysicalTraining
from src.errors import DivergenceError
from src.training.physical.minimization import MAX_ITERATIONS, METHODS, Minimum
from src.training.physical.objective import Objective

# Iterations that every start gets before the best one goes on.
_FIRST_ITERATIONS = 10
# Relative change of the parameters that ends a fit from initial states that are not known exactly.
_ROUGHLY = 1e-3
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
    if objective.states is not None and not objective.observations.hides_starts:
        # Near the parameters at little cost, before the states are let go.
        held = objective.with_states_held(start)
        size = len(objective.vector)
        near = minimize(held, start[:size], _FIRST_ITERATIONS, _ROUGHLY)
        start, history = np.concatenate([near.z, start[size:]]), [*history, *near.history]
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
