"""Statistics of residuals: autocorrelation, paired comparison, homogeneity over simulations.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space; ``S`` simulations, ``p`` parameters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf, prod, sqrt

import numpy as np
from scipy.special import fdtrc

# Autocorrelations within this many standard deviations of independent noise count as zero.
_NOISE_DEVIATIONS = 2.0
# Pairs of values below which an autocorrelation is not estimated.
_FEWEST_PAIRS = 8
# Relative eigenvalue of a simulation's information matrix, scaled to a unit diagonal, below which
# the simulation does not determine a combination of parameters.
_SINGULAR = 1e-10
# Standard errors, and logarithm of a likelihood ratio (e⁹ ≈ 8000), that are no chance.
_DECISIVE, _DECISIVE_RATIO = 3.0, 9.0
# Relative rounding error of sums of squares.
_ROUNDING = 1e-14
# Longest axis along which all products of values take less time than a transform.
_LONGEST_DIRECT = 256


@dataclass(frozen=True)
class Residuals:
    """Residuals of one window.

    Attributes:
        values: Weighted residuals ``[T, C, *space]``; 0 where nothing is observed.
        observed: Mask of the observed values, of the same shape; ``None`` for all.
        simulation: Number of the simulation that the window belongs to.
        states: Predicted states of the same shape; ``None`` where they are not kept.
    """

    values: np.ndarray
    observed: np.ndarray | None = None
    simulation: int = 0
    states: np.ndarray | None = None

    @property
    def num_values(self) -> int:
        """Number of observed values."""
        return self.values.size if self.observed is None else int(self.observed.sum())


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


@dataclass(frozen=True)
class PairedDifference:
    """Difference of squared residuals of two models on the same observations.

    Attributes:
        mean: Mean of r_a² − r_b².
        error: Standard error of the mean, with the autocorrelation of the differences.
        log_likelihood_ratio: Logarithm of the likelihood of b over that of a, for normal residuals
            with the variance and the effective sample size of those of b.
    """

    mean: float
    error: float
    log_likelihood_ratio: float

    @property
    def deviations(self) -> float:
        """The mean in standard errors; positive where b fits better."""
        if self.error == 0:
            return 0.0 if self.mean == 0 else float(np.sign(self.mean)) * inf
        return self.mean / self.error

    @property
    def favours_b(self) -> bool:
        """True if b fits better than chance explains.

        The likelihood ratio is decisive where b leaves nothing but noise; where both leave
        structure, the scatter of the differences may be.
        """
        return self.deviations >= _DECISIVE or self.log_likelihood_ratio >= _DECISIVE_RATIO


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
                present = (
                    values.size / values.shape[axis] * np.arange(values.shape[axis], 0.0, -1.0)
                )
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


def compare(a: Sequence[Residuals], b: Sequence[Residuals]) -> PairedDifference:
    """Mean difference r_a² − r_b² with its standard error, value by value.

    Both models see the same noise, which cancels in the difference; the variance of either mean
    square does not matter.

    Args:
        a: Residuals of one model.
        b: Residuals of the other one, of the same windows.

    Sources: Diebold and Mariano (1995), J. Bus. Econ. Stat. 13, 253-263; Vuong (1989),
    Econometrica 57, 307-333.
    """
    differences = [
        Residuals(first.values**2 - second.values**2, first.observed)
        for first, second in zip(a, b, strict=True)
    ]
    count = max(sum(each.num_values for each in differences), 1)
    mean = sum(float(each.values.sum()) for each in differences) / count
    centered = [_without(each, mean) for each in differences]
    variance = sum(float((each.values**2).sum()) for each in centered) / count
    inflation = _inflation(centered)
    error = sqrt(variance * inflation / count)
    left = sum(float((each.values**2).sum()) for each in b) / count * _inflation(b)
    ratio = count * mean / (2 * left) if left > 0 else float(np.sign(mean)) * inf if mean else 0.0
    return PairedDifference(mean, error, ratio)


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


def _inflation(centered: Sequence[Residuals]) -> float:
    """Inflation of the variance of a mean over windows that may differ in their number of axes."""
    kinds: dict[int, list[Residuals]] = {}
    for each in centered:
        kinds.setdefault(each.values.ndim, []).append(each)
    found = [correlation(group) for group in kinds.values()]
    count = max(sum(each.num_values for each in found), 1)
    return sum(each.num_values * each.inflation for each in found) / count


def _without(window: Residuals, mean: float) -> Residuals:
    values = window.values - mean
    if window.observed is not None:
        values = np.where(window.observed, values, 0.0)
    return Residuals(values, window.observed, window.simulation)


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
