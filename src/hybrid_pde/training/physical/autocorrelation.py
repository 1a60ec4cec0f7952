"""Autocorrelation of residuals in time and space, and the effective sample size.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod

import numpy as np

from hybrid_pde.training.physical.residuals import Residuals

# Autocorrelations within this many standard deviations of independent noise count as zero.
_NOISE_DEVIATIONS = 2.0
# Pairs of values below which an autocorrelation is not estimated.
_FEWEST_PAIRS = 8
# Longest axis along which all products of values take less time than a transform.
_LONGEST_DIRECT = 256


@dataclass(frozen=True)
class Correlation:
    """Autocorrelation of residuals in time and along each axis of space.

    The autocorrelation is taken for separable: the number of values that one independent value
    stands for is the product over the axes.

    Attributes:
        num_values: Number of values N.
        lag_one: Autocorrelation of neighbours in time and along each axis of space.
        lengths: Integrated autocorrelation τ = 1 + 2 Σ ρ of the same axes, in frames and cells; 1
            for independent values.
        growth: Mean square in the last third of the frames divided by that in the first third; 1
            with fewer than three frames.
        curves: Autocorrelation ρ_0 = 1, ρ_1, … of the same axes, up to the first value that
            independent noise may have.
    """

    num_values: int
    lag_one: tuple[float, ...]
    lengths: tuple[float, ...]
    growth: float = 1.0
    curves: tuple[np.ndarray, ...] = field(default=(), compare=False)

    @property
    def inflation(self) -> float:
        """N divided by the effective sample size."""
        return min(prod(self.lengths), float(max(self.num_values, 1)))

    @property
    def num_effective(self) -> float:
        """Effective sample size: independent values that determine a mean equally well."""
        return self.num_values / self.inflation


def correlation(residuals: Iterable[Residuals], centered: bool = False) -> Correlation:
    """Autocorrelation of residuals in time and along each axis of space.

    Windows are read one after the other; memory does not depend on their number.

    Args:
        residuals: Windows with the same number of axes.
        centered: Whether the mean of each window is subtracted.
    """
    squares, count = 0.0, 0
    sums: list[np.ndarray] = []
    pairs: list[np.ndarray] = []
    early, late = np.zeros(2), np.zeros(2)
    for window in residuals:
        values, mask = window.values, window.observed
        if centered and window.num_values:
            values = values - values.sum() / window.num_values
            values = values if mask is None else np.where(mask, values, 0.0)
        axes = [axis for axis in range(values.ndim) if axis != 1]
        squares += float((values**2).sum())
        count += window.num_values
        for position, axis in enumerate(axes):
            if position == len(sums):
                sums.append(np.zeros(0))
                pairs.append(np.zeros(0))
            if mask is None:
                length = values.shape[axis]
                present = values.size / length * np.arange(length, 0.0, -1.0)
            else:
                present = _products(mask.astype(float), axis)
            sums[position] = _added(sums[position], _products(values, axis))
            pairs[position] = _added(pairs[position], present)
        third = len(values) // 3
        if third:
            early += _squares_and_count(values[:third], None if mask is None else mask[:third])
            late += _squares_and_count(values[-third:], None if mask is None else mask[-third:])
    variance = squares / max(count, 1)
    curves = [_curve(s, n, variance) for s, n in zip(sums, pairs, strict=True)]
    growth = 1.0
    if early[1] and late[1] and early[0] > 0:
        growth = float(late[0] / late[1] / (early[0] / early[1]))
    return Correlation(
        count,
        tuple(float(curve[1]) if len(curve) > 1 else 0.0 for curve in curves),
        tuple(_integrated(curve, n[: len(curve)]) for curve, n in zip(curves, pairs, strict=True)),
        growth,
        tuple(_significant(curve, n) for curve, n in zip(curves, pairs, strict=True)),
    )


def _products(values: np.ndarray, axis: int) -> np.ndarray:
    """Sums of products of values at every lag along an axis."""
    length = values.shape[axis]
    if length <= _LONGEST_DIRECT:
        lines = np.moveaxis(values, axis, 0).reshape(length, -1)
        products = (lines @ lines.T).ravel()
        lags = np.subtract.outer(np.arange(length), np.arange(length)).ravel()
        return np.bincount(lags[lags >= 0], products[lags >= 0], length)
    spectrum = np.fft.rfft(values, 2 * length, axis=axis)
    power = np.abs(np.moveaxis(spectrum, axis, -1)).reshape(-1, spectrum.shape[axis])
    return np.fft.irfft(np.einsum("ij,ij->j", power, power), 2 * length)[:length]


def _added(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sum of two arrays, the shorter one filled with zeros."""
    size = max(len(a), len(b))
    return np.pad(a, (0, size - len(a))) + np.pad(b, (0, size - len(b)))


def _curve(sums: np.ndarray, pairs: np.ndarray, variance: float) -> np.ndarray:
    """Autocorrelation at each lag with enough pairs."""
    enough = pairs > _FEWEST_PAIRS
    last = len(pairs) if enough.all() else int(np.argmin(enough))
    if not variance:
        return np.ones(min(last, 1))
    return np.clip(sums[:last] / np.maximum(pairs[:last], 1) / variance, -1.0, 1.0)


def _significant(curve: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The autocorrelation up to the first ρ_k that independent noise may have."""
    noise = _NOISE_DEVIATIONS / np.sqrt(np.maximum(pairs[: len(curve)], 1))
    below = np.flatnonzero(curve[1:] <= noise[1:])
    return curve[: below[0] + 1] if len(below) else curve


def _integrated(curve: np.ndarray, pairs: np.ndarray) -> float:
    """τ = 1 + 2 Σ ρ_k w_k up to the first ρ_k that independent noise may have.

    The weights w_k = pairs at lag k / pairs at lag 0 make Σ/τ the variance of the mean of a finite
    series.
    """
    kept = _significant(curve, pairs)
    return 1.0 + 2 * sum(float(kept[lag] * pairs[lag] / pairs[0]) for lag in range(1, len(kept)))


def _squares_and_count(values: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    return np.array([float((values**2).sum()), values.size if mask is None else mask.sum()])
