"""Uncertainty and identifiability of the parameters from the Jacobian."""

from dataclasses import dataclass

import numpy as np

# Relative singular value of the Jacobian, with columns of unit length, below which a combination of
# parameters does not change the prediction within rounding errors of the rollout.
DEPENDENT = 1e-8
# A parameter has no influence if a change by its own size changes the prediction by less than this,
# in standard deviations of the data.
NO_INFLUENCE = 1e-10


@dataclass(frozen=True)
class Uncertainty:
    """Standard deviations of z, and undetermined directions.

    Attributes:
        std: Standard deviation of every entry of z; NaN if it is not determined, or if there are
            not more observations than parameters.
        determined: Whether the data determine each entry.
        directions: Each undetermined direction as weights of the entries.
        correlations: Correlation of the errors of each two entries, ``[p, p]``; NaN for entries
            that are not determined.
        least: The direction that is determined least, as weights of the entries; ``None`` for a
            single entry.
        condition: How many times larger the error along it is than along the one determined best,
            in units of each entry's own influence.
    """

    std: np.ndarray
    determined: np.ndarray
    directions: list[np.ndarray]
    correlations: np.ndarray
    least: np.ndarray | None = None
    condition: float = 1.0


def assess(
    jacobian: np.ndarray,
    residual: np.ndarray,
    num_values: float,
    num_unknowns: int,
    variance: float | None = None,
) -> Uncertainty:
    """Standard deviations from the covariance (JᵀJ)⁻¹ σ² with σ² = |r|²/(N − n).

    Valid for independent errors of equal variance.

    Args:
        jacobian: Jacobian at the estimate with respect to the parameters, ``[rows, p]``.
        residual: Residual at the estimate, ``[rows]``.
        num_values: Number of distinct observed values N.
        num_unknowns: Number of all unknowns n, including initial states.
        variance: σ², if priors are part of the Jacobian.

    Source: Seber and Wild (2003), Nonlinear Regression, section 2.1.
    """
    size = jacobian.shape[1]
    lengths = np.linalg.norm(jacobian, axis=0)
    absent = lengths <= NO_INFLUENCE * np.sqrt(num_values)
    directions = [np.eye(size)[entry] for entry in np.flatnonzero(absent)]
    determined = ~absent
    std = np.full(size, np.nan)
    present = np.flatnonzero(~absent)
    correlations, least, condition = np.full((size, size), np.nan), None, 1.0
    if len(present):
        scaled = jacobian[:, present] / lengths[present]
        _, singular, right = np.linalg.svd(scaled, full_matrices=False)
        for value, direction in zip(singular, right, strict=True):
            if value <= DEPENDENT * singular[0]:
                weights = np.zeros(size)
                weights[present] = direction / lengths[present]
                weights /= np.max(np.abs(weights))
                directions.append(weights)
                determined &= np.abs(weights) < 1e-3  # small contributions are ignored
        keep = singular > DEPENDENT * singular[0]
        spread = right[keep] / singular[keep, None]
        inverse = (spread**2).sum(axis=0)
        root = np.sqrt(inverse)
        correlations[np.ix_(present, present)] = spread.T @ spread / np.outer(root, root)
        if keep.sum() > 1:
            last = int(np.flatnonzero(keep)[-1])
            least = np.zeros(size)
            least[present] = right[last] / lengths[present]
            condition = float(singular[0] / singular[last])
        if variance is None and num_values > num_unknowns:
            variance = float(residual @ residual) / (num_values - num_unknowns)
        if variance is not None:
            std[present] = np.sqrt(inverse * variance) / lengths[present]
    std[~determined] = np.nan
    correlations[~determined] = correlations[:, ~determined] = np.nan
    return Uncertainty(std, determined, directions, correlations, least, condition)
