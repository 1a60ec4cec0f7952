"""Coordinates and attributes of an HDF5 file, and which axes its arrays have.

Axes are called ``t``, ``x``, ``y``, ``z`` as in the file.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from hybrid_pde.data.readers.dimension_roles import SPACE
from hybrid_pde.data.readers.memory_limits import MOST_AT_ONCE, check_size
from hybrid_pde.errors import RawDataError

TIME = "t"


def coordinates(group: h5py.Group, pattern: str) -> dict[str, np.ndarray]:
    """Times and points of the axes that a group has.

    Args:
        group: The group, or the file.
        pattern: What their entries are called, with ``{}`` for the axis.

    Raises:
        RawDataError: if times or the first axis are absent, or an entry is no list of numbers.
    """
    found = {}
    for axis in (TIME, *SPACE):
        entry = group.get(pattern.format(axis))
        is_list = isinstance(entry, h5py.Dataset) and entry.ndim == 1 and entry.size > 0
        if is_list and entry.dtype.kind in "iuf":
            check_size(pattern.format(axis), entry.shape)
            starts = range(0, entry.size, MOST_AT_ONCE)
            found[axis] = np.concatenate([entry[at : at + MOST_AT_ONCE] for at in starts])
        elif entry is not None or axis in (TIME, SPACE[0]):
            place = f"{place_of(group)}/{pattern.format(axis)}".lstrip("/")
            raise RawDataError(f"{place}: absent, empty, or not a list of numbers")
    return found


def dimensions(
    name: str, shape: Sequence[int], points: Mapping[str, np.ndarray]
) -> tuple[str, ...]:
    """The dimensions of an array ``[T, *space]``: axes ascending, unless their lengths say not.

    Args:
        name: Of the array.
        shape: Of the array.
        points: Coordinates by axis; the times may have one entry more than there are frames.

    Raises:
        RawDataError: if they do not belong together.
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


def labelled(points: Mapping[str, np.ndarray], num_frames: int) -> dict[str, Any]:
    """Coordinates as variables of a data set, the times cut to those of frames."""
    space = {axis: ((axis,), values) for axis, values in points.items() if axis != TIME}
    return {"time": (("time",), points[TIME][:num_frames]), **space}


def attributes(entry: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    """Attributes that are numbers or text."""
    kinds = {name: np.asarray(value).dtype.kind for name, value in entry.attrs.items()}
    return {name: entry.attrs[name] for name, kind in kinds.items() if kind in "iufUO"}


def place_of(entry: h5py.Group | h5py.Dataset) -> str:
    """Where an entry is in its file."""
    return str(entry.name).lstrip("/")
