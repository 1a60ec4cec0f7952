"""Test whether all simulations have the same parameters.

Layout: ``S`` simulations, ``p`` parameters.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

# Relative eigenvalue of a simulation's information matrix, scaled to a unit diagonal, below which
# the simulation does not determine a combination of parameters.
_SINGULAR = 1e-10
# Relative rounding error of sums of squares.
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Homogeneity:
    """Test whether all simulations have the same parameters.

    Attributes:
        statistic: Cochran's Q, divided by the variance and the inflation of the residuals.
        degrees: Degrees of freedom.
        p_value: Probability of a larger statistic where the parameters are the same.
        offsets: Estimate of each simulation minus the common one, ``[S, p]``; 0 along directions
            that the simulation does not determine.
        errors: Standard deviations of the simulations' estimates, ``[S, p]``.
        losses: Mean square residual of each simulation at the common estimate, ``[S]``.
    """

    statistic: float
    degrees: int
    p_value: float
    offsets: np.ndarray
    errors: np.ndarray
    losses: np.ndarray


def homogeneity(
    grams: np.ndarray, counts: np.ndarray, inflation: float = 1.0
) -> Homogeneity | None:
    """Cochran's test whether the simulations agree on the parameters.

    Each simulation's estimate is one Gauss-Newton step from the common one, with the covariance
    (JᵀJ)⁻¹ σ² φ. Q = Σ_s gᵀ H⁻¹ g − (Σ g)ᵀ (Σ H)⁻¹ (Σ g), with g = Jᵀr and H = JᵀJ of one
    simulation, is the part of |r|² that separate estimates explain. The variance σ² is that of the
    remaining residuals.

    Args:
        grams: ``[J r]ᵀ[J r]`` of each simulation at the common estimate, ``[S, p + 1, p + 1]``.
        counts: Number of observed values of each simulation, ``[S]``.
        inflation: φ, the number of values that one independent value stands for.

    Returns:
        ``None`` with fewer than two simulations that determine a parameter.

    Source: Cochran (1954), Biometrics 10, 101-129.
    """
    size = grams.shape[1] - 1
    own = [_step(gram[:size, :size], gram[:size, -1]) for gram in grams]
    common = _step(grams[:, :size, :size].sum(0), grams[:, :size, -1].sum(0))
    ranks, gains = sum(each.rank for each in own), sum(each.gain for each in own)
    degrees, total = ranks - common.rank, float(counts.sum())
    freedom = total / inflation - ranks
    squares = grams[:, -1, -1]
    if degrees < 1 or freedom < 1:
        return None
    explained = max(gains - common.gain, 0.0)
    # The variance is at least that of rounding errors in the sums.
    rest = max(float(squares.sum()) - gains, _ROUNDING * float(squares.sum()))
    variance = rest / (total - ranks) * inflation
    statistic = explained / variance if variance > 0 else 0.0
    return Homogeneity(
        statistic,
        degrees,
        float(fdtrc(degrees, freedom, statistic / degrees)),
        np.stack([each.step for each in own]) - common.step,
        np.sqrt(variance) * np.stack([each.error for each in own]),
        squares / np.maximum(counts, 1),
    )


@dataclass(frozen=True)
class _Step:
    """Gauss-Newton step −H⁺g with its errors √diag(H⁺), the decrease gᵀH⁺g of |r|², the rank."""

    step: np.ndarray
    error: np.ndarray
    gain: float
    rank: int


def _step(information: np.ndarray, gradient: np.ndarray) -> _Step:
    scale = np.sqrt(np.diag(information))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    keep = values > _SINGULAR * max(values[-1], 0.0)
    along = vectors[:, keep].T @ (gradient / scale)
    return _Step(
        -vectors[:, keep] @ (along / values[keep]) / scale,
        np.sqrt((vectors[:, keep] ** 2) @ (1 / values[keep])) / scale,
        float(np.sum(along**2 / values[keep])),
        int(keep.sum()),
    )
