"""The quantity that a residual follows: correlations with it, and how many values are independent.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Sequence
from math import atanh, sqrt

import numpy as np

from hybrid_pde.domain.grid import Grid
from hybrid_pde.training.physical.autocorrelation import correlation
from hybrid_pde.training.physical.misfit_quantities import Component, Quantity, quantities
from hybrid_pde.training.physical.residuals import Residuals

# Smallest correlation that is mentioned, and its distance from zero in standard errors: one of a
# dozen quantities is that far by chance in 3 of 100 calibrations. Few independent values have a
# correlation as large as the last by chance only if the quantity happens to be alike everywhere.
_LEAST_CORRELATION, _SIGNIFICANT, _COMPLETE = 0.3, 3.0, 0.95
# Autocorrelation of neighbours from which the residual is smooth beside its noise.
SMOOTH = 0.2


def best_quantity(
    windows: Sequence[Residuals],
    channel: int,
    components: Sequence[Component],
    grid: Grid,
    by_time: np.ndarray,
) -> tuple[Quantity | None, float | None]:
    """The quantity with the largest significant correlation.

    It is compared with r/g for the residual r and its growth g, with the weights g²: a term of
    constant size makes a residual that grows.
    """
    sums: dict[str, _Sums] = {}
    kinds: dict[str, Quantity] = {}
    for each in windows:
        assert each.states is not None
        growth = by_time[: len(each.values)].reshape(-1, *(1,) * len(grid.axes))
        own = each.values[:, channel]
        level = own / np.where(growth > 0, growth, 1.0)
        present = 1.0 if each.observed is None else each.observed[:, channel]
        weights = np.broadcast_to(growth**2 * present, own.shape)
        for quantity in quantities(each.states, channel, components, grid):
            compared = np.abs(level) if quantity.of_size else level
            kinds[quantity.label] = quantity
            sums.setdefault(quantity.label, _Sums()).add(compared, quantity.values, weights)
    found = {name: each.correlation(kinds[name].of_size) for name, each in sums.items()}
    name = max(found, key=lambda each: abs(found[each]))
    value = found[name]
    independent = _independent_pairs([each.channel(channel) for each in windows])
    errors = atanh(min(abs(value), 1 - 1e-12)) * sqrt(max(independent - 3, 0.0))
    if abs(value) >= _COMPLETE or (abs(value) >= _LEAST_CORRELATION and errors >= _SIGNIFICANT):
        return kinds[name], value
    return None, None


class _Sums:
    """Weighted sums of products of two arrays over windows."""

    def __init__(self) -> None:
        self._sums = np.zeros(6)

    def add(self, a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> None:
        """Add the values of a window."""
        one, other = weights * a, weights * b
        products = [np.vdot(one, a), np.vdot(one, b), np.vdot(other, b)]
        self._sums += [weights.sum(), one.sum(), other.sum(), *products]

    def correlation(self, centered: bool) -> float:
        """Correlation of the values, of their deviations from the means if ``centered``."""
        total, a, b, aa, ab, bb = self._sums
        if centered and total:
            aa, ab, bb = aa - a * a / total, ab - a * b / total, bb - b * b / total
        return float(ab / sqrt(aa * bb)) if aa > 0 and bb > 0 else 0.0


def _independent_pairs(windows: Sequence[Residuals]) -> float:
    """Number of independent pairs of residual and quantity, N / Π (1 + 2 Σ ρ_k²).

    The quantity is taken to be correlated as the residual is.

    Source: Bartlett (1935), J. R. Stat. Soc. 98, 536-543.
    """
    statistics = correlation(windows)
    shape, found = windows[0].values.shape, 1.0
    curves = [_memory(windows), *statistics.curves[1:]]
    for curve, count in zip(curves, (shape[0], *shape[2:]), strict=True):
        weights = 1 - np.arange(len(curve)) / count
        found *= 1 + 2 * float(np.sum((curve**2 * weights)[1:]))
    return statistics.num_values / found


def _memory(windows: Sequence[Residuals]) -> np.ndarray:
    """Autocorrelation in time at lags 0, 1, …, each frame relative to its own size.

    Relative to one variance, a residual that grows would seem to forget.
    """
    curve = [1.0]
    for lag in range(1, len(windows[0].values)):
        sums = np.zeros(3)
        for each in windows:
            early, late = each.values[:-lag], each.values[lag:]
            sums += [np.vdot(early, late), np.vdot(early, early), np.vdot(late, late)]
        value = sums[0] / sqrt(sums[1] * sums[2]) if sums[1] * sums[2] > 0 else 0.0
        if value < SMOOTH:
            break
        curve.append(float(value))
    return np.array(curve)
