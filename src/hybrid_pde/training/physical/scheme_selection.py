"""Which discretization explains the data best.

Data made with a coarse scheme are best explained by that scheme. A wrong parameter hides the
difference, so every candidate's parameters are fitted on a short stretch before it is compared.
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

# A stretch long enough to tell the schemes apart, and short next to the calibration itself.
NUM_WINDOWS = 4
NUM_FRAMES = 4
MAX_ITERATIONS = 8
TOLERANCE = 1e-3
# Losses that differ by fewer standard deviations of their scatter do not tell schemes apart.
_DEVIATIONS = 4
# Loss at which a scheme for smooth data explains them: 1 % of their standard deviation.
_EXPLAINED = 1e-4


def select_discretization(objective: Objective) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Give the model the scheme with the smallest residual on a short stretch.

    Where values are hidden the stretch is as long as the windows, since a short one may show too
    little.

    Returns:
        For every candidate its scheme, order, loss (``None`` if it diverged) and parameters; and
        where the chosen one's fit ended, as a point z of the parameters.
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
            continue  # no shocks, and it costs more than all others together
        model.discretization = candidate
        entry: dict[str, Any] = {"scheme": candidate.scheme, "order": candidate.order}
        try:
            # Noise in a known start is the same for all schemes; a hidden start has to be found.
            estimate = objective.states is not None and stretch.hides_starts
            trial = Objective(model, stretch, vector, objective.dt, estimate, log=objective.log)
            found = gauss_newton(trial, trial.complete(start), MAX_ITERATIONS, TOLERANCE)
        except DivergenceError:
            report.append({**entry, "loss": None})
            continue
        finally:
            model.discretization = before
        start = found.z[: len(vector)]  # the next candidate's optimum is near
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
    """The most accurate of the schemes whose loss is the smallest but for chance.

    The mean of N squared errors scatters by √(2/N) of itself.
    """
    smallest = min(loss for loss, _, _ in tried)
    alike = smallest * (1 + _DEVIATIONS * sqrt(2 / num_values))
    return max((each for each in tried if each[0] <= alike), key=lambda each: _accuracy(each[1]))


def _accuracy(scheme: Discretization) -> tuple[bool, int]:
    """What orders schemes by their error on smooth data; WENO's is about that of order 4."""
    return scheme.scheme == "spectral", scheme.order or 3


def candidates(model: PhysicalModel) -> Sequence[Discretization]:
    """The schemes to compare: WENO among them for equations whose vector fields carry others.

    Where an option of the equation has chosen the scheme, that one alone.
    """
    if model.discretization.is_staggered:
        return [model.discretization]
    advects = any(role.is_vector for role in model.spec.fields) or any(
        parameter.unit == "length/time" for parameter in model.spec.parameters.values()
    )
    found = (*CANDIDATES, SHOCK_CANDIDATE) if advects else CANDIDATES
    return [replace(each, refine=model.discretization.refine) for each in found]
