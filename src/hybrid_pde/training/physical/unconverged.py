"""Warnings of calibrations that ended without a minimum, with the likely cause and the way out."""

import numpy as np
import torch

from hybrid_pde.config.schema import PhysicalTraining
from hybrid_pde.errors import DivergenceError
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.physical.convergence import without_influence
from hybrid_pde.training.physical.minimization import METHODS
from hybrid_pde.training.physical.minimum import (
    CONVERGED,
    MAX_ITERATIONS,
    STALLED,
    Minimum,
    end_status,
)
from hybrid_pde.training.physical.objective import Objective

# Relative remaining step below which steps of a fixed learning rate have converged.
_CLOSE = 1e-2
# A solution with less than this fraction of the initial variation has decayed.
_DECAYED = 1e-3


def check_steps(
    objective: Objective, minimum: Minimum, unknowns: np.ndarray, settings: PhysicalTraining
) -> None:
    """Correct the status of a calibration by ``adam`` or ``sgd`` that stopped changing.

    Small changes may be due to a small learning rate: only a short full step is convergence.
    """
    if minimum.status != CONVERGED or not objective.can_linearize:
        return
    status, _ = end_status(objective, objective.linearize(unknowns), _CLOSE)
    if status == CONVERGED:
        return
    minimum.status = MAX_ITERATIONS
    warn_of_result(
        f"trainer_params.physical.learning_rate: {settings.learning_rate:g}: the steps of "
        f"{settings.method} have become small, but not at a minimum "
        f"({_named(objective, unknowns[: len(objective.vector)])}). Increase learning_rate and "
        "epochs, or use gauss-newton"
    )


def warn_if_unconverged(
    objective: Objective, minimum: Minimum, unknowns: np.ndarray, settings: PhysicalTraining
) -> None:
    """Warn of a calibration that reached ``max_iterations``, or that ended at no minimum."""
    if minimum.status == MAX_ITERATIONS and settings.method in METHODS:
        warn_of_result(
            f"trainer_params.physical.max_iterations: {settings.max_iterations}: {settings.method} "
            "has not converged; the estimate is the best point so far. Increase max_iterations"
        )
    if minimum.status != STALLED:
        return
    vector = objective.vector
    z = unknowns[: len(vector)]
    at = f"({_named(objective, z)}; initial guess {_named(objective, vector.start)})"
    warn_of_result(
        f"trainer_params.learnable_parameters: the calibration stalled {at}: "
        f"{_cause(objective, unknowns)}. Other magnitudes fit no better. Give an initial_guess "
        "of the right order of magnitude or bounds, and check that units, boundary and equation "
        "are those of the data"
    )


def _cause(objective: Objective, unknowns: np.ndarray) -> str:
    vector = objective.vector
    if objective.can_linearize:
        at = objective.linearize(unknowns)
        absent = without_influence(at, len(vector), objective.num_values)
        names = ", ".join(np.array(vector.labels)[absent])
        if names and _decays(objective, unknowns):
            return (
                f"the solution decays within one frame and no longer depends on {names}: the "
                "guess is too large"
            )
        if names:
            return f"the solution does not depend on {names} there"
    return "the misfit still has a slope, but no step along it lowers the loss"


@torch.no_grad()
def _decays(objective: Objective, unknowns: np.ndarray) -> bool:
    """True if the first frame of the solution is uniform compared with the initial state."""
    observations = objective.observations
    initial = observations.initial([0])
    parameters = objective.vector.decode(torch.from_numpy(unknowns[: len(objective.vector)]))
    conditions = observations.conditions([0])
    rollout = objective.model.rollout(
        initial, observations.grid, 1, [objective.dt], parameters, conditions=conditions
    )
    try:
        first = next(iter(rollout))
    except DivergenceError:
        return False
    return all(float(first[n].std()) <= _DECAYED * float(initial[n].std()) for n in initial)


def _named(objective: Objective, z: np.ndarray) -> str:
    pairs = zip(objective.vector.labels, objective.vector.values(z), strict=True)
    return ", ".join(f"{label} = {value:.4g}" for label, value in list(pairs)[:8])
