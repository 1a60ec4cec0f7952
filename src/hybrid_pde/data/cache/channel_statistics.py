"""Mean, standard deviation and range of each channel, computed block by block."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ChannelStatistics:
    """Statistics over time and space, one value a channel.

    Attributes:
        mean: Mean.
        std: Standard deviation of the values themselves (divided by their number, not one less).
        min: Smallest value.
        max: Largest value.
        missing: Number of missing values, which the other statistics leave out.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    min: tuple[float, ...]
    max: tuple[float, ...]
    missing: tuple[int, ...]

    def to_dict(self) -> dict[str, list[float]]:
        """The statistics as JSON types."""
        return {key: list(value) for key, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ChannelStatistics":
        """The inverse of :meth:`to_dict`."""
        numbers = {key: tuple(map(float, values[key])) for key in ("mean", "std", "min", "max")}
        return cls(**numbers, missing=tuple(map(int, values["missing"])))


class RunningStatistics:
    """Computes the statistics of blocks ``[T, C, *space]`` in double precision.

    Means and sums of squares are merged pairwise, so that a small spread around a large mean is
    not lost to cancellation. Missing values (NaN) are left out and counted.

    Source: Chan, Golub & LeVeque (1983), The American Statistician 37, equation 2.1.
    """

    def __init__(self, channels: int) -> None:
        self._count = np.zeros(channels, np.int64)
        self._missing = np.zeros(channels, np.int64)
        self._mean = np.zeros(channels)
        self._squares = np.zeros(channels)
        self._min = np.full(channels, math.inf)
        self._max = np.full(channels, -math.inf)

    def add(self, block: np.ndarray) -> None:
        """Add a block ``[T, C, *space]``."""
        axes = (0, *range(2, block.ndim))
        present = ~np.isnan(block)
        count = np.count_nonzero(present, axis=axes)
        # Reductions over a mask take several times as long as those over everything.
        where = True if present.all() else present
        added = np.maximum(count, 1)
        mean = block.sum(axis=axes, dtype=np.float64, where=where) / added
        centred = block - np.expand_dims(mean, axes)
        squares = np.square(centred, out=centred).sum(axis=axes, where=where)
        total = np.maximum(self._count + count, 1)
        shift = mean - self._mean
        self._mean = self._mean + shift * (count / total)
        self._squares = self._squares + squares + shift**2 * (self._count * count / total)
        self._count = self._count + count
        self._missing = self._missing + block.size // block.shape[1] - count
        self._min = np.minimum(self._min, block.min(axis=axes, where=where, initial=math.inf))
        self._max = np.maximum(self._max, block.max(axis=axes, where=where, initial=-math.inf))

    def result(self) -> ChannelStatistics:
        """The statistics of all blocks so far.

        Raises:
            ValueError: if every value of a channel is missing.
        """
        if not self._count.all():
            raise ValueError(f"every value of channel {int(self._count.argmin())} is missing")
        std = np.sqrt(self._squares / self._count)
        return ChannelStatistics(
            mean=tuple(self._mean.tolist()),
            std=tuple(std.tolist()),
            min=tuple(self._min.tolist()),
            max=tuple(self._max.tolist()),
            missing=tuple(self._missing.tolist()),
        )
