"""Arrays that are read where they are indexed, as variables of xarray."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

Place = tuple[int | slice, ...]


class _Array(BackendArray):
    def __init__(
        self, read: Callable[[Place], np.ndarray], shape: tuple[int, ...], dtype: np.dtype
    ) -> None:
        self._read = read
        self.shape = shape
        self.dtype = dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        # files are fast with whole numbers and slices; xarray does the rest in memory
        basic = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, basic, self._read)


def lazy(
    read: Callable[[Place], np.ndarray], shape: tuple[int, ...], dtype: np.dtype
) -> indexing.LazilyIndexedArray:
    """An array whose values are read at the places that are asked for.

    Args:
        read: Reads the values at a place: a whole number or a slice for each axis.
        shape: Shape of the array.
        dtype: Type of the numbers.
    """
    return indexing.LazilyIndexedArray(_Array(read, shape, dtype))


def lazy_stack(
    read: Callable[[int, Place], np.ndarray], shape: tuple[int, ...], dtype: np.dtype
) -> indexing.LazilyIndexedArray:
    """An array with separately stored parts along its first axis.

    Args:
        read: Reads the values at a place of one part.
        shape: Shape of the whole array; the number of parts comes first.
        dtype: Type of the numbers.
    """

    def read_parts(key: Place) -> np.ndarray:
        part, *place = key
        if isinstance(part, slice):
            return np.stack([read(each, tuple(place)) for each in range(shape[0])[part]])
        return read(part, tuple(place))

    return lazy(read_parts, shape, dtype)


def lazy_broadcast(
    read: Callable[[Place], np.ndarray],
    shape: tuple[int, ...],
    dtype: np.dtype,
    repeated: Sequence[int],
) -> indexing.LazilyIndexedArray:
    """An array that is stored with one entry along some axes and has the same value on all.

    Args:
        read: Reads the values at a place of what is stored.
        shape: Shape of the whole array.
        dtype: Type of the numbers.
        repeated: The axes along which one entry is stored.
    """

    def read_repeated(key: Place) -> np.ndarray:
        stored = tuple(
            (slice(0, 1) if isinstance(each, slice) else 0) if axis in repeated else each
            for axis, each in enumerate(key)
        )
        values = read(stored)
        kept = [
            len(range(shape[axis])[each])
            for axis, each in enumerate(key)
            if isinstance(each, slice)
        ]
        return np.broadcast_to(values, kept)

    return lazy(read_repeated, shape, dtype)
