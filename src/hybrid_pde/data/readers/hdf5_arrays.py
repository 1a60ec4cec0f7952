"""Arrays of an HDF5 file that xarray reads only where they are asked for."""

from collections.abc import Callable
from typing import Any

import h5py
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
        # whole numbers and slices are what HDF5 does fast; xarray does the rest in memory
        basic = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, basic, self._read)


def array(stored: h5py.Dataset) -> indexing.LazilyIndexedArray:
    """An array of the file as it is."""
    return _lazy(lambda place: np.asarray(stored[place]), stored.shape, stored.dtype)


def stacked(
    read: Callable[[int, Place], np.ndarray], shape: tuple[int, ...], dtype: np.dtype
) -> indexing.LazilyIndexedArray:
    """An array whose parts along the first axis lie apart.

    Args:
        read: Reads a place of a part.
        shape: Of the whole, the number of parts first.
        dtype: Of the numbers.
    """

    def read_parts(key: Place) -> np.ndarray:
        part, *place = key
        if isinstance(part, slice):
            return np.stack([read(each, tuple(place)) for each in range(shape[0])[part]])
        return read(part, tuple(place))

    return _lazy(read_parts, shape, dtype)


def _lazy(
    read: Callable[[Place], np.ndarray], shape: tuple[int, ...], dtype: np.dtype
) -> indexing.LazilyIndexedArray:
    return indexing.LazilyIndexedArray(_Array(read, shape, dtype))
