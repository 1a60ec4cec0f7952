"""Statistics of a field's values, gathered block by block."""

import math
from collections.abc import Iterable

import numpy as np

from hybrid_pde.data.raw_files.subprocess_reader import SubprocessFile
from hybrid_pde.errors import RawDataError


class FieldStatistics:
    """Extremes, mean and number of missing values of a field; a mean in double precision.

    Attributes:
        error: Why its values cannot be read, or empty.
    """

    def __init__(self) -> None:
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
