"""Mean, standard deviation, range and precision of each channel, computed block by block."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# A channel needs double precision if rounding to single changes it by more than this share of its
# standard deviation over space, or of its root mean square change from frame to frame ...
ROUNDING_OF_VALUES = 1e-4
ROUNDING_OF_STEPS = 1e-2
STEADY = 1e-13  # relative variations and changes that are rounding in double precision
# ... or if its numbers leave the range in which single precision and squares of it are accurate.
SINGLE_RANGE = (1e-30, 1e30)
PIECE = 2**16  # values that are reduced at once; in double precision they fit into a core's cache


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

    def rounding(self, dtype: type[np.floating]) -> float:
        """Root mean square rounding error relative to ``std``, of the worst channel."""
        worst = 0.0
        for lowest, highest, std in zip(self.min, self.max, self.std, strict=True):
            largest = max(abs(lowest), abs(highest))
            if std > STEADY * largest:
                worst = max(worst, _rounding_error(largest, dtype) / std)
        return worst

    def to_dict(self) -> dict[str, list[float]]:
        """The statistics as JSON types."""
        return {key: list(value) for key, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ChannelStatistics":
        """The inverse of :meth:`to_dict`."""
        numbers = {key: tuple(map(float, values[key])) for key in ("mean", "std", "min", "max")}
        return cls(**numbers, missing=tuple(map(int, values["missing"])))


@dataclass(frozen=True)
class Rounding:
    """Root mean square rounding error of a field's worst channel.

    Attributes:
        of_values: Relative to the standard deviation of the values.
        of_steps: Relative to the root mean square change from frame to frame.
        largest: Smallest and largest of the channels' largest absolute values.
    """

    of_values: float
    of_steps: float
    largest: tuple[float, float]

    @property
    def needs_double(self) -> bool:
        """True if single precision, for which this is, loses a part of the variation."""
        return (
            self.of_values > ROUNDING_OF_VALUES
            or self.of_steps > ROUNDING_OF_STEPS
            or self.largest[0] < SINGLE_RANGE[0]
            or self.largest[1] > SINGLE_RANGE[1]
        )


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
        self._steps = np.zeros(channels)  # sum of squares of changes from frame to frame
        self._num_steps = np.zeros(channels, np.int64)
        self._last: np.ndarray | None = None
        self._workspace = np.empty(max(PIECE, channels))

    def add(self, block: np.ndarray) -> None:
        """Add a block ``[T, C, *space]``."""
        if not block.size:
            return
        flat = block.reshape(*block.shape[:2], -1)
        points = max(1, PIECE // flat.shape[1])
        frames = max(1, points // flat.shape[2])
        for first in range(0, flat.shape[0], frames):
            for place in range(0, flat.shape[2], points):
                self._add_piece(flat[first : first + frames, :, place : place + points])
        if block.dtype == np.float64:  # only double precision can be lost
            self._add_steps(flat)

    def _add_piece(self, piece: np.ndarray) -> None:
        """Add values ``[T, C, points]`` that fit into a processor's cache."""
        axes = (0, 2)
        lowest, highest = piece.min(axis=axes), piece.max(axis=axes)
        count, where = np.full(len(lowest), piece[:, 0].size), True
        if np.isnan(lowest).any():
            # Reductions over a mask take several times as long as those over everything.
            where = ~np.isnan(piece)
            count = np.count_nonzero(where, axis=axes)
            lowest = piece.min(axis=axes, where=where, initial=math.inf)
            highest = piece.max(axis=axes, where=where, initial=-math.inf)
        centred = self._workspace[: piece.size].reshape(piece.shape)
        np.copyto(centred, piece)
        mean = centred.sum(axis=axes, where=where) / np.maximum(count, 1)
        centred -= mean[:, None]
        squares = np.square(centred, out=centred).sum(axis=axes, where=where)
        total = np.maximum(self._count + count, 1)
        shift = mean - self._mean
        self._mean = self._mean + shift * (count / total)
        self._squares = self._squares + squares + shift**2 * (self._count * count / total)
        self._count = self._count + count
        self._missing = self._missing + piece[:, 0].size - count
        self._min = np.minimum(self._min, lowest)
        self._max = np.maximum(self._max, highest)

    def _add_steps(self, flat: np.ndarray) -> None:
        """Add the changes from frame to frame of ``[T, C, points]``, and from the last block."""
        frames = flat if self._last is None else np.concatenate([self._last, flat])
        for before, after in itertools.pairwise(frames):
            changes = after - before
            seen = ~np.isnan(changes)
            self._num_steps += changes.shape[1]
            where = True if seen.all() else seen
            self._steps += np.square(changes, out=changes).sum(axis=1, where=where)
        self._last = flat[-1:].copy()

    def rounding(self, dtype: type[np.floating]) -> "Rounding":
        """Loss by rounding the values so far to a precision."""
        largest = np.maximum(np.abs(self._min), np.abs(self._max))
        error = _rounding_error(largest, dtype)
        std = np.sqrt(self._squares / np.maximum(self._count, 1))
        steps = np.sqrt(self._steps / np.maximum(self._num_steps, 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            of_values, of_steps = error / std, error / steps
        varies = std > STEADY * largest
        moves = varies & (steps > STEADY * largest)
        return Rounding(
            float(np.max(of_values, initial=0.0, where=varies)),
            float(np.max(of_steps, initial=0.0, where=moves)),
            (
                float(np.min(largest, initial=math.inf, where=varies)),
                float(np.max(largest, initial=0.0, where=varies)),
            ),
        )

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


def _rounding_error(largest: Any, dtype: type[np.floating]) -> Any:
    """Root mean square of uniformly distributed rounding errors of the largest values."""
    return largest * np.finfo(dtype).eps / math.sqrt(12)


def lowest_precision(values: np.ndarray) -> type[np.floating]:
    """Single precision if it keeps the variation of values ``[T, C, *space]``, else double."""
    if values.dtype != np.float64:
        return np.float32
    running = RunningStatistics(values.shape[1])
    running.add(values)
    return np.float64 if running.rounding(np.float32).needs_double else np.float32
