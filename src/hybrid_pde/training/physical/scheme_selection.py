"""Selection of the discretization with the smallest residual.

Data generated with a coarse scheme are best explained by that scheme. Wrong parameters hide the
difference, so the parameters are fitted for every candidate on a short stretch of the data.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np

from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.numerics.discretization import CANDIDATES, SHOCK_CANDIDATE, Discretization
from hybrid_pde.training.physical.minimization import gauss_newton
from hybrid_pde.training.physical.objective import Objective

# Long enough to distinguish schemes, short compared with the calibration itself.
NUM_WINDOWS = 4
NUM_FRAMES = 4
MAX_ITERATIONS = 8
TOLERANCE = 1e-3
# Losses that differ by fewer standard deviations are considered equal.
_DEVIATIONS = 4
# Loss at which a scheme for smooth solutions explains the data: 1 % of their standard deviation.
_EXPLAINED = 1e-4


def select_discretization(objective: Objective) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Set the model to the scheme with the smallest residual on a short stretch of the data.

    If values are hidden, the stretch has the full length of the windows.

    Returns:
        Scheme, order, loss (``None`` if it diverged) and parameters of every candidate; and the
        estimate z of the chosen one.
    """
    model, vector, whole = objective.model, objective.vector, objective.observations
    frames = whole.windows[0].num_frames if whole.hides else NUM_FRAMES
    stretch = whole.subset(NUM_WINDOWS, frames)
    before, start = model.discretization, vector.read()
    optimum, report = start, []
    tried: list[tuple[float, Discretization, np.ndarray]] = []
    for candidate in candidates(model):
        if candidate.incompatibility(stretch.grid) is not None:
            continue
        if candidate.scheme == "weno" and any(loss < _EXPLAINED for loss, _, _ in tried):
            continue  # no shocks; WENO costs more than all other candidates
        model.discretization = candidate
        entry: dict[str, Any] = {"scheme": candidate.scheme, "order": candidate.order}
        try:
            # A noisy but visible initial state affects all schemes alike; a hidden one is
            # estimated.
            estimate = objective.states is not None and stretch.hides_starts
            trial = Objective(model, stretch, vector, objective.dt, estimate, log=objective.log)
            found = gauss_newton(trial, trial.complete(start), MAX_ITERATIONS, TOLERANCE)
        except DivergenceError:
            report.append({**entry, "loss": None})
            continue
        finally:
            model.discretization = before
        start = found.z[: len(vector)]  # close to the optimum of the next candidate
        values = vector.values(start)
        named = {name: vector.by_name(values, name) for name in vector.parameters}
        report.append({**entry, "loss": found.loss, "parameters": named})
        tried.append((found.loss, candidate, start))
    if tried:
        _, model.discretization, optimum = _preferred(tried, trial.num_values)
    return report, optimum


def _preferred(
    tried: Sequence[tuple[float, Discretization, np.ndarray]], num_values: float
) -> tuple[float, Discretization, np.ndarray]:
    """The most accurate scheme among those with equally small loss.

    The mean of N squared errors has a relative standard deviation of √(2/N).
    """
    smallest = min(loss for loss, _, _ in tried)
    largest_equal = smallest * (1 + _DEVIATIONS * sqrt(2 / num_values))
    return max(
        (each for each in tried if each[0] <= largest_equal), key=lambda each: _accuracy(each[1])
    )


def _accuracy(scheme: Discretization) -> tuple[bool, int]:
    """Sort key of the accuracy on smooth data; WENO is about as accurate as order 4."""
    return scheme.scheme == "spectral", scheme.order or 3


def candidates(model: PhysicalModel) -> Sequence[Discretization]:
    """The schemes to compare; WENO only for equations with advection.

    If an option of the equation selects the scheme, only that one.
    """
    if model.discretization.is_staggered:
        return [model.discretization]
    advects = any(role.is_vector for role in model.spec.fields) or any(
        parameter.unit == "length/time" for parameter in model.spec.parameters.values()
    )
    found = (*CANDIDATES, SHOCK_CANDIDATE) if advects else CANDIDATES
    return [replace(each, refine=model.discretization.refine) for each in found]
