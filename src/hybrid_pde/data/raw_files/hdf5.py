"""HDF5 files: lazily read arrays, coordinates, attributes, and dimensions of arrays.

Axes are called ``t``, ``x``, ``y``, ``z`` as in the file.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from hybrid_pde.data.raw_files.dimension_roles import SPACE
from hybrid_pde.data.raw_files.guards import MAX_ENTRIES_AT_ONCE, check_size
from hybrid_pde.errors import RawDataError

TIME = "t"
Place = tuple[int | slice, ...]


def coordinates(group: h5py.Group, pattern: str) -> dict[str, np.ndarray]:
    """Times and points along each axis of a group.

    Args:
        group: The group, or the file.
        pattern: Names of their entries, with ``{}`` for the axis.

    Raises:
        RawDataError: if times or the first axis are missing, or an entry is not a list of numbers.
    """
    found = {}
    for axis in (TIME, *SPACE):
        entry = group.get(pattern.format(axis))
        is_list = isinstance(entry, h5py.Dataset) and entry.ndim == 1 and entry.size > 0
        if is_list and entry.dtype.kind in "iuf":
            check_size(pattern.format(axis), entry.shape)
            starts = range(0, entry.size, MAX_ENTRIES_AT_ONCE)
            found[axis] = np.concatenate([entry[at : at + MAX_ENTRIES_AT_ONCE] for at in starts])
        elif entry is not None or axis in (TIME, SPACE[0]):
            place = f"{place_of(group)}/{pattern.format(axis)}".lstrip("/")
            raise RawDataError(f"{place}: absent, empty, or not a list of numbers")
    return found


def dimensions(
    name: str, shape: Sequence[int], points: Mapping[str, np.ndarray]
) -> tuple[str, ...]:
    """The dimensions of an array ``[T, *space]``: axes ascend, unless only the reverse order fits.

    Args:
        name: Name of the array.
        shape: Shape of the array.
        points: Coordinates by axis; the times may have one entry more than there are frames.

    Raises:
        RawDataError: if neither order fits.
    """
    space = [axis for axis in points if axis != TIME]
    frames, lengths = len(points[TIME]), [len(points[axis]) for axis in space]
    if shape[0] in (frames, frames - 1):
        if list(shape[1:]) == lengths:
            return ("time", *space)
        if list(shape[1:]) == lengths[::-1]:
            return ("time", *reversed(space))
    wanted = ", ".join(f"{axis}: {length}" for axis, length in zip(space, lengths, strict=True))
    raise RawDataError(
        f"{name}: its times and points are {list(shape)}, its coordinates t: {frames}, {wanted}"
    )


def coordinate_variables(points: Mapping[str, np.ndarray], num_frames: int) -> dict[str, Any]:
    """Coordinates as variables of a data set, with one time for each frame."""
    space = {axis: ((axis,), values) for axis, values in points.items() if axis != TIME}
    return {"time": (("time",), points[TIME][:num_frames]), **space}


def attributes(entry: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    """Attributes of an entry that are numbers or text."""
    kinds = {name: np.asarray(value).dtype.kind for name, value in entry.attrs.items()}
    return {name: entry.attrs[name] for name, kind in kinds.items() if kind in "iufUO"}


def place_of(entry: h5py.Group | h5py.Dataset) -> str:
    """Path of an entry in its file."""
    return str(entry.name).lstrip("/")


class _Array(BackendArray):
    def __init__(
        self, read: Callable[[Place], np.ndarray], shape: tuple[int, ...], dtype: np.dtype
    ) -> None:
        self._read = read
        self.shape = shape
        self.dtype = dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        # HDF5 is fast with whole numbers and slices; xarray does the rest in memory
        basic = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, basic, self._read)


def lazy_array(stored: h5py.Dataset) -> indexing.LazilyIndexedArray:
    """An array of the file, read where it is indexed."""
    return _lazy(lambda place: np.asarray(stored[place]), stored.shape, stored.dtype)


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

    return _lazy(read_parts, shape, dtype)


def _lazy(
    read: Callable[[Place], np.ndarray], shape: tuple[int, ...], dtype: np.dtype
) -> indexing.LazilyIndexedArray:
    return indexing.LazilyIndexedArray(_Array(read, shape, dtype))
