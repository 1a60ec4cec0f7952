"""Residuals of a calibration, window by window.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

import numpy as np


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

    def channel(self, number: int) -> "Residuals":
        """Residuals of one channel, without the states."""
        part = slice(number, number + 1)
        observed = None if self.observed is None else self.observed[:, part]
        return Residuals(self.values[:, part], observed, self.simulation)


def root_mean_square(windows: Iterable[Residuals]) -> float:
    """Root mean square of the observed values of some windows."""
    sums = [(float((each.values**2).sum()), each.num_values) for each in windows]
    return sqrt(sum(square for square, _ in sums) / max(sum(count for _, count in sums), 1))
