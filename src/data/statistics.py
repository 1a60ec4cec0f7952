"""Mean, standard deviation and range of each channel, gathered block by block."""

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
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    min: tuple[float, ...]
    max: tuple[float, ...]

    def to_dict(self) -> dict[str, list[float]]:
        """The statistics as JSON types."""
        return {key: list(value) for key, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ChannelStatistics":
        """The statistics that :meth:`to_dict` described."""
        return cls(**{key: tuple(map(float, value)) for key, value in values.items()})


class RunningStatistics:
    """Gathers the statistics of blocks ``[T, C, *space]`` in double precision.

    Means and sums of squares are merged pairwise, so that a small spread around a large mean is
    not lost to cancellation.

    Source: Chan, Golub & LeVeque (1983), The American Statistician 37, equation 2.1.
    """

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._mean = np.zeros(channels)
        self._squares = np.zeros(channels)
        self._min = np.full(channels, math.inf)
        self._max = np.full(channels, -math.inf)

    def add(self, block: np.ndarray) -> None:
        """Take in a block ``[T, C, *space]``."""
        axes = (0, *range(2, block.ndim))
        count = block.size // block.shape[1]
        mean = block.mean(axis=axes, dtype=np.float64)
        centred = block - np.expand_dims(mean, axes)
        squares = np.square(centred, out=centred).sum(axis=axes)
        total = self._count + count
        shift = mean - self._mean
        self._mean = self._mean + shift * (count / total)
        self._squares = self._squares + squares + shift**2 * (self._count * count / total)
        self._count = total
        self._min = np.minimum(self._min, block.min(axis=axes))
        self._max = np.maximum(self._max, block.max(axis=axes))

    def result(self) -> ChannelStatistics:
        """The statistics of all blocks so far."""
        std = np.sqrt(self._squares / max(1, self._count))
        return ChannelStatistics(
            *(tuple(values.tolist()) for values in (self._mean, std, self._min, self._max))
        )
