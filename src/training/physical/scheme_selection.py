"""Which discretization explains the data best.

Data made with a coarse scheme are best explained by that scheme. A wrong parameter hides the
difference, so every candidate's parameters are fitted on a short stretch before it is compared.
"""

from math import inf
from typing import Any

import numpy as np

from src.errors import DivergenceError
from src.models.physical.physical_model import PhysicalModel
from src.numerics.discretization import CANDIDATES
from src.training.physical.minimization import gauss_newton
from src.training.physical.objective import Objective
from src.training.physical.observations import Observations
from src.training.physical.parameter_vector import ParameterVector

# A stretch long enough to tell the schemes apart, and short next to the calibration itself.
NUM_WINDOWS = 4
NUM_FRAMES = 4
MAX_ITERATIONS = 8
TOLERANCE = 1e-3


def select_discretization(
    model: PhysicalModel, observations: Observations, vector: ParameterVector, dt: float
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Give the model the scheme with the smallest residual on a short stretch.

    Returns:
        For every candidate its scheme, order, loss (``None`` if it diverged) and parameters; and
        where the chosen one's fit ended, as a point z.
    """
    stretch = observations.subset(NUM_WINDOWS, NUM_FRAMES)
    assert stretch.grid is not None
    best, default, report = inf, model.discretization, []
    chosen, start = default, vector.read()
    optimum = start
    for candidate in CANDIDATES:
        if not candidate.fits(stretch.grid):
            continue
        model.discretization = candidate
        entry: dict[str, Any] = {"scheme": candidate.scheme, "order": candidate.order}
        try:
            objective = Objective(model, stretch, vector, dt)
            found = gauss_newton(objective, start, MAX_ITERATIONS, TOLERANCE)
        except DivergenceError:
            report.append({**entry, "loss": None})
            continue
        start = found.z  # the next candidate's optimum is near
        values = {name: vector.by_name(found.z * vector.scale, name) for name in vector.parameters}
        report.append({**entry, "loss": found.loss, "parameters": values})
        if found.loss < best:
            best, chosen, optimum = found.loss, candidate, found.z
    model.discretization = chosen
    return report, optimum
