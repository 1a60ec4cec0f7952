"""HDF5 files: opening, coordinates, attributes, and dimensions of arrays.

Axes are called ``t``, ``x``, ``y``, ``z`` as in the file.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hybrid_pde.data.raw_files.dimension_roles import SPACE
from hybrid_pde.data.raw_files.guards import (
    MAX_ENTRIES_AT_ONCE,
    check_size,
    errors_name_file,
    reject_external_data,
)
from hybrid_pde.data.raw_files.lazy_arrays import lazy
from hybrid_pde.errors import RawDataError

TIME = "t"
# allowed difference of the times of two simulations in one file, in steps
TIME_TOLERANCE = 1e-3


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file; its groups are to be checked before they are entered.

    Raises:
        RawDataError: naming the file, if it is none, is damaged, or links to other files.
    """
    with errors_name_file(path):
        if not path.is_file():
            raise RawDataError("not a file")
        file = h5py.File(path, "r")
    try:
        with errors_name_file(path):
            reject_external_data(file, deep=False)
        yield file
    finally:
        file.close()


def listed(file: h5py.Group) -> str:
    """The names in a group, for messages."""
    return ", ".join(sorted(file)[:20]) or "nothing"


def text_list(value: Any) -> list[str]:
    """An attribute that is a text or a list of texts, as a list."""
    texts: Any = np.ravel(np.asarray(value, dtype=object)) if value is not None else []
    return [each.decode() if isinstance(each, bytes) else str(each) for each in texts]


def common_times(entry: h5py.Dataset) -> np.ndarray:
    """Times ``[T]``, or ``[N, T]`` of simulations that have the same ones.

    Raises:
        RawDataError: if the simulations have other times.
    """
    check_size(place_of(entry), entry.shape)
    times = np.atleast_2d(entry[()])
    if entry.ndim not in (1, 2) or times.size == 0 or times.dtype.kind not in "iuf":
        raise RawDataError(f"{place_of(entry)}: not a list of times; its shape is {entry.shape}")
    span = abs(float(times[0, -1]) - float(times[0, 0]))
    allowed = TIME_TOLERANCE * span / max(1, times.shape[1] - 1)
    wrong = ~(np.abs(times - times[0]) <= allowed).all(axis=1)
    if wrong.any():
        raise RawDataError(
            f"{place_of(entry)}: the times of simulation {int(np.argmax(wrong))} differ from those "
            "of the first one; write simulations with other times to files of their own"
        )
    return times[0]


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


def lazy_array(stored: h5py.Dataset) -> Any:
    """An array of the file, read where it is indexed."""
    return lazy(lambda place: np.asarray(stored[place]), stored.shape, stored.dtype)
