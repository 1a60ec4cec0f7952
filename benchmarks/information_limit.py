"""Smallest standard deviations that any unbiased estimate can have (Cramér and Rao).

With independent errors of one size σ, relative to the scale that divides the residuals, the
covariance is at least σ² (JᵀJ)⁻¹, J at the true parameters, initial states eliminated if they are
unknown.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hybrid_pde.training.physical.calibration import Calibration


def information_limit(
    calibration: Calibration, truth: Mapping[str, Any], noise: float
) -> np.ndarray:
    """Least standard deviation of each number, in physical units, ``[n]``.

    Args:
        calibration: A calibration on the data, in windows that share no frames.
        truth: True values by parameter, fields as their numbers in order.
        noise: σ, as a share of the standard deviation of the noisy data.
    """
    objective = calibration.objective
    vector, model = objective.vector, objective.model
    values = np.concatenate([np.ravel(truth[name]) for name in vector.parameters])
    unknowns = calibration.unknowns()
    unknowns[: len(vector)] = vector.encode(values)
    precision, model.precision = model.precision, "double"
    try:
        jacobian, _ = objective.linearize(unknowns).of_parameters(len(vector))
    finally:
        model.precision = precision
    slopes = vector.slopes(unknowns[: len(vector)])
    covariance = np.linalg.inv(jacobian.T @ jacobian)
    return np.asarray(noise * np.sqrt(np.diag(covariance)) * np.abs(slopes))
