"""Covariance of estimates from residuals that are correlated in space and time.

Least squares has the covariance H⁻¹ M H⁻¹ with H = JᵀJ and M = Jᵀ C J, where C is the covariance of
the errors. Independent errors of the variance σ² have M = σ²H. Two estimates of M hold for others:

- C from the autocorrelation of the residuals, separable over time and the axes of space;
- the sum of g gᵀ with g = Jᵀr over blocks: parts of windows that are longer than the residuals are
  correlated in time. It also holds for errors whose variance changes.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space; ``p`` parameters.

Sources: Seber and Wild (2003), Nonlinear Regression, section 6.2; Liang and Zeger (1986),
Biometrika 73, 13-22; Cameron and Miller (2015), J. Human Resources 50, 317-372 (few blocks); Conley
(1999), J. Econometrics 92, 1-45 (errors correlated in space).
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import toeplitz

from hybrid_pde.training.physical.autocorrelation import correlation
from hybrid_pde.training.physical.frame_arrays import Sensitivities
from hybrid_pde.training.physical.residuals import Residuals

# Fewest blocks for each parameter, and at all, that a sum over blocks is trusted with.
_FEWEST_BLOCKS, _BLOCKS_A_PARAMETER = 10, 4
# Length of a block in integrated autocorrelation times.
_BLOCK_LENGTH = 2.0


def std_factors(windows: Sequence[Sensitivities]) -> tuple[np.ndarray, np.ndarray]:
    """Factors on the standard deviations of independent and equal errors, two times ``[p]``.

    Every channel has the variance of its own residuals. The first factors are those of independent
    errors, 1 for one channel. For the second ones the largest of these and the two estimates is
    taken; both come out too small as often as too large.
    """
    size = len(windows[0].slopes)
    inverse, scale, variance = _inverse(windows)
    if variance == 0:
        return np.ones(size), np.ones(size)
    independent = np.diag(inverse) * variance
    variances = _channel_variances(windows)
    alone = np.ones(size)
    if variances.size > 1:
        alone = uneven_factors(windows, [variances] * len(windows))
    factors = alone
    curves = correlation(each.residuals for each in windows).curves
    for middle in (_by_autocorrelation(windows, curves, variances), _by_blocks(windows, curves[0])):
        if middle is not None:
            covariance = inverse @ (middle / np.outer(scale, scale)) @ inverse
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.diag(covariance) / independent
            factors = np.fmax(factors, np.sqrt(np.maximum(ratio, 0.0)))
    return alone, factors


def _channel_variances(windows: Sequence[Sensitivities]) -> np.ndarray:
    """Mean square of the residuals of each channel, ``[1, C, 1…]``.

    Scaled to the variance of all of them, which allows for the number of parameters.
    """
    axes = (0, *range(2, windows[0].residuals.values.ndim))
    squares = np.sum([(each.residuals.values**2).sum(axis=axes) for each in windows], axis=0)
    counts = np.sum([_observed(each.residuals).sum(axis=axes) for each in windows], axis=0)
    total = float(counts.sum())
    freedom = total / max(total - len(windows[0].slopes), 1.0)
    means = freedom * squares / np.maximum(counts, 1)
    return np.asarray(means.reshape(1, -1, *(1,) * (len(axes) - 1)))


def _observed(residuals: Residuals) -> np.ndarray:
    if residuals.observed is None:
        return np.ones_like(residuals.values, dtype=bool)
    return residuals.observed


def uneven_factors(windows: Sequence[Sensitivities], variances: Sequence[np.ndarray]) -> np.ndarray:
    """Standard deviations from independent errors of other variances, ``[p]``.

    Relative to those from errors with the variance of the residuals.

    Args:
        windows: Residuals and derivatives; not all residuals are 0.
        variances: Variances of the errors, in the unit of each window's residuals, that broadcast
            to their shape.
    """
    inverse, scale, variance = _inverse(windows)
    size = len(scale)
    middle = np.zeros((size, size))
    for each, weights in zip(windows, variances, strict=True):
        flat = each.slopes.reshape(size, -1)
        each_value = np.broadcast_to(weights, each.slopes.shape[1:])
        middle += (flat * each_value.ravel()) @ flat.T
    covariance = inverse @ (middle / np.outer(scale, scale)) @ inverse
    independent = np.diag(inverse) * variance
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.sqrt(np.maximum(np.diag(covariance) / independent, 0.0)))


def _inverse(windows: Sequence[Sensitivities]) -> tuple[np.ndarray, np.ndarray, float]:
    """(JᵀJ)⁻¹ in units of the scale of each parameter, that scale, and the residuals' variance."""
    hessian, scale = _scaled_hessian(windows)
    values, vectors = np.linalg.eigh(hessian)
    keep = values > 1e-14 * values[-1]
    inverse = (vectors[:, keep] / values[keep]) @ vectors[:, keep].T
    count = sum(each.residuals.num_values for each in windows)
    squares = sum(float((each.residuals.values**2).sum()) for each in windows)
    return inverse, scale, squares / max(count - len(scale), 1)


def _scaled_hessian(windows: Sequence[Sensitivities]) -> tuple[np.ndarray, np.ndarray]:
    """JᵀJ with a unit diagonal, and the scale of each parameter."""
    flat = [each.slopes.reshape(len(each.slopes), -1) for each in windows]
    hessian = np.sum([slopes @ slopes.T for slopes in flat], axis=0)
    scale = np.sqrt(np.diag(hessian))
    scale = np.where(scale > 0, scale, 1.0)
    return hessian / np.outer(scale, scale), scale


def _by_autocorrelation(
    windows: Sequence[Sensitivities], curves: Sequence[np.ndarray], variances: np.ndarray
) -> np.ndarray:
    """M = Jᵀ (R_t ⊗ σ² ⊗ R_x ⊗ …) J with the residuals' own autocorrelations.

    Args:
        windows: Residuals and derivatives.
        curves: Autocorrelation in time and along each axis.
        variances: σ² of each channel, ``[1, C, 1…]``.
    """
    size = len(windows[0].slopes)
    middle = np.zeros((size, size))
    for each in windows:
        smoothed = each.slopes * variances
        axes = [axis for axis in range(1, each.slopes.ndim) if axis != 2]
        for axis, curve in zip(axes, curves, strict=True):
            if len(curve) > 1:
                smoothed = _convolved(smoothed, curve, axis)
        middle += each.slopes.reshape(size, -1) @ smoothed.reshape(size, -1).T
    return np.asarray((middle + middle.T) / 2)


def _convolved(values: np.ndarray, curve: np.ndarray, axis: int) -> np.ndarray:
    """Product with the Toeplitz matrix of a symmetric autocorrelation along an axis."""
    length = values.shape[axis]
    column = np.zeros(length)
    kept = min(length, len(curve))
    column[:kept] = curve[:kept]
    return np.moveaxis(np.tensordot(toeplitz(column), values, axes=(1, axis)), 0, axis)


def _by_blocks(windows: Sequence[Sensitivities], curve: np.ndarray) -> np.ndarray | None:
    """M = G/(G − 1) Σ g gᵀ over G blocks; ``None`` with too few blocks.

    The blocks are as long as the autocorrelation in time, ``curve``, asks for.
    """
    size = len(windows[0].slopes)
    frames = int(np.ceil(_BLOCK_LENGTH * (1 + 2 * float(curve[1:].sum()))))
    scores = []
    for each in windows:
        products = each.slopes * each.residuals.values
        by_frame = products.reshape(*products.shape[:2], -1).sum(axis=2)
        parts = max(1, by_frame.shape[1] // frames)
        scores += [part.sum(axis=1) for part in np.array_split(by_frame, parts, axis=1)]
    if len(scores) < max(_FEWEST_BLOCKS, _BLOCKS_A_PARAMETER * size):
        return None
    blocks = np.array(scores)
    factor = len(blocks) / (len(blocks) - 1)
    return np.asarray(factor * blocks.T @ blocks)
