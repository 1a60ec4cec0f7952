"""Statistics of a field's values, gathered block by block."""

import math
from collections.abc import Iterable

import numpy as np

from hybrid_pde.data.raw_files.subprocess_reader import SubprocessFile
from hybrid_pde.errors import RawDataError

# Of the differences between the two ends of an axis, relative to those between neighbours beside
# the ends; 1 for a periodic field, in which the ends are neighbours.
_OPEN = 5.0
_ROUNDING = 1e-6  # relative; smaller differences are no evidence


class FieldStatistics:
    """Extremes, mean and number of missing values of a field; a mean in double precision.

    Args:
        num_axes: Number of spatial axes, the last ones of the values.

    Attributes:
        error: Why its values cannot be read, or empty.
    """

    def __init__(self, num_axes: int = 0) -> None:
        self._across, self._beside = np.zeros(num_axes), np.zeros(num_axes)
        self._lowest, self._highest = math.inf, -math.inf
        self._sum, self._count = 0.0, 0
        self.missing = 0
        self.error = ""

    def add(self, values: np.ndarray) -> None:
        """Take further values into account."""
        present = values[~np.isnan(values)]
        self.missing += values.size - present.size
        if present.size:
            self._lowest = min(self._lowest, float(present.min()))
            self._highest = max(self._highest, float(present.max()))
            self._sum += float(present.sum(dtype=np.float64))
            self._count += present.size
        for axis in range(len(self._across)):
            self._compare_ends(values, axis)

    def _compare_ends(self, values: np.ndarray, axis: int) -> None:
        """Sums of squared differences across the ends of an axis and beside them."""
        along = np.moveaxis(values, values.ndim - len(self._across) + axis, 0)
        if len(along) < 4:
            return
        first, second, before, last = (along[at].astype(np.float64) for at in (0, 1, -2, -1))
        with np.errstate(over="ignore", invalid="ignore"):
            self._across[axis] += np.nansum((first - last) ** 2)
            self._beside[axis] += np.nansum((first - second) ** 2 + (last - before) ** 2) / 2

    @property
    def open_axes(self) -> list[int]:
        """Axes with ends that do not meet, as they would in a periodic box."""
        if not self._count:
            return []
        with np.errstate(over="ignore", invalid="ignore"):
            return self._ends_apart()

    def _ends_apart(self) -> list[int]:
        least = self._count * (_ROUNDING * max(abs(self._lowest), abs(self._highest))) ** 2
        is_open = (self._across > _OPEN**2 * self._beside) & (self._across > least)
        return np.flatnonzero(is_open).tolist()

    @property
    def lowest(self) -> float | None:
        """The smallest value; ``None`` without values."""
        return self._lowest if self._count else None

    @property
    def highest(self) -> float | None:
        """The largest value; ``None`` without values."""
        return self._highest if self._count else None

    @property
    def mean(self) -> float | None:
        """The mean of all values; ``None`` without values."""
        return self._sum / self._count if self._count else None

    @property
    def is_constant(self) -> bool:
        """True if all values are equal."""
        return self._count > 1 and self._lowest == self._highest


def add_file(
    statistics: dict[str, FieldStatistics], file: SubprocessFile, samples: Iterable[int]
) -> None:
    """Take the fields of some simulations of a file into account.

    A field with values that cannot be read, e.g. infinite ones, keeps the reason.
    """
    for sample in samples:
        try:
            for name, values in file.static(sample).items():
                if name in statistics:
                    statistics[name].add(values)
            for block in file.frames(sample):
                for name, values in block.items():
                    if name in statistics:
                        statistics[name].add(values)
        except RawDataError as error:
            for each in statistics.values():
                each.error = each.error or str(error)
            return
