"""Comparison of two models on the same observations.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from hybrid_pde.training.physical.autocorrelation import correlation
from hybrid_pde.training.physical.residuals import Residuals

# Standard errors, and logarithm of a likelihood ratio (e⁹ ≈ 8000), that are no chance.
_DECISIVE, _DECISIVE_RATIO = 3.0, 9.0


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
