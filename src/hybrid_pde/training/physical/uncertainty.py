"""How well the data determine the parameters."""

from dataclasses import dataclass

import numpy as np

# Singular values of the Jacobian with columns of unit length: below this share of the largest, a
# combination of parameters leaves the prediction unchanged to within the rounding of the rollout.
DEPENDENT = 1e-8
# A parameter that shifts the prediction by less than this, in standard deviations of the data and
# for a change by its own size, has no influence.
NO_INFLUENCE = 1e-10


@dataclass(frozen=True)
class Uncertainty:
    """Standard deviations of z, and what is not determined.

    Attributes:
        std: Standard deviation of every entry of z; NaN where it is not determined, or where there
            are no more observations than parameters.
        determined: Whether the data determine each entry.
        directions: Each undetermined direction as weights of the entries.
    """

    std: np.ndarray
    determined: np.ndarray
    directions: list[np.ndarray]


def assess(
    jacobian: np.ndarray,
    residual: np.ndarray,
    num_values: float,
    num_unknowns: int,
    variance: float | None = None,
) -> Uncertainty:
    """Covariance (JᵀJ)⁻¹ σ² with σ² = |r|²/(N − n), for independent errors of equal size.

    Args:
        jacobian: ``[rows, p]`` at the estimate, of the parameters.
        residual: ``[rows]`` at the estimate.
        num_values: Number of distinct observed values N.
        num_unknowns: Number of all unknowns n, initial states included.
        variance: σ², where priors in J are weighed against it.

    Source: Seber and Wild (2003), Nonlinear Regression, section 2.1.
    """
    size = jacobian.shape[1]
    lengths = np.linalg.norm(jacobian, axis=0)
    absent = lengths <= NO_INFLUENCE * np.sqrt(num_values)
    directions = [np.eye(size)[entry] for entry in np.flatnonzero(absent)]
    determined = ~absent
    std = np.full(size, np.nan)
    present = np.flatnonzero(~absent)
    if len(present):
        scaled = jacobian[:, present] / lengths[present]
        _, singular, right = np.linalg.svd(scaled, full_matrices=False)
        for value, direction in zip(singular, right, strict=True):
            if value <= DEPENDENT * singular[0]:
                weights = np.zeros(size)
                weights[present] = direction / lengths[present]
                weights /= np.max(np.abs(weights))
                directions.append(weights)
                determined &= np.abs(weights) < 1e-3  # what hardly takes part stays determined
        keep = singular > DEPENDENT * singular[0]
        inverse = ((right[keep] / singular[keep, None]) ** 2).sum(axis=0)
        if variance is None and num_values > num_unknowns:
            variance = float(residual @ residual) / (num_values - num_unknowns)
        if variance is not None:
            std[present] = np.sqrt(inverse * variance) / lengths[present]
    std[~determined] = np.nan
    return Uncertainty(std, determined, directions)
