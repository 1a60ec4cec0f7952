"""PDEBench's layout in which each simulation is a group.

A group has ``data`` ``[T, X, …, C]`` and ``grid/t``, ``grid/x``, …; numbers that it states, as
attributes or by themselves, are variables too.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import h5py
import numpy as np
import xarray as xr

from hybrid_pde.data.readers.hdf5_arrays import Place, stacked
from hybrid_pde.data.readers.hdf5_metadata import (
    attributes,
    coordinates,
    dimensions,
    labelled,
    place_of,
)
from hybrid_pde.data.readers.self_contained import refuse_pointers
from hybrid_pde.errors import RawDataError

SAME = 1e-3  # of a step: how far the coordinates of a file's simulations may differ
GRID = "grid/{}"


class _Groups:
    """The simulations of a file; thousands maybe, so each is looked at only when it is read."""

    def __init__(self, file: h5py.File, names: Sequence[str]) -> None:
        self._file = file
        self.names = names
        self.first = file[names[0]]
        if isinstance(self.first, h5py.Group):
            refuse_pointers(self.first)
        self.points = coordinates(self.first, GRID)
        self.shape = _data(self.first).shape
        self._alike = {0}

    def channel(self, channel: int, simulation: int, place: Place) -> np.ndarray:
        """A part of one channel of a simulation."""
        group = self._file[self.names[simulation]]
        if simulation not in self._alike:
            self._check_alike(group)
            self._alike.add(simulation)
        return np.asarray(group["data"][(*place, channel)])

    def number(self, name: str, simulation: int, place: Place) -> np.ndarray:
        """A number that a simulation states; NaN where it does not."""
        assert not place, "a number has no axes"
        group = self._file[self.names[simulation]]
        refuse_pointers(group)
        value = group.attrs.get(name, group[name][()] if name in group else np.nan)
        return np.asarray(value, np.float64).reshape(())

    def _check_alike(self, group: h5py.Group) -> None:
        """Refuse a simulation of another shape or grid than the first one."""
        refuse_pointers(group)
        shape, here, there = _data(group).shape, place_of(group), place_of(self.first)
        if shape != self.shape:
            raise RawDataError(
                f"{here}/data: has the shape {shape}, {there}/data {self.shape}; a file's "
                "simulations are alike"
            )
        points = coordinates(group, GRID)
        for axis, wanted in self.points.items():
            step = abs(wanted[-1] - wanted[0]) / max(1, len(wanted) - 1)
            same = axis in points and points[axis].shape == wanted.shape
            if not same or not np.allclose(points[axis], wanted, rtol=0, atol=SAME * step):
                raise RawDataError(
                    f"{here}/grid/{axis}: differs from {there}/grid/{axis}; a file's simulations "
                    "have the same grid and times"
                )


def from_groups(file: h5py.File, names: Sequence[str]) -> xr.Dataset:
    """The simulations as variables ``data[0]``, ``data[1]``, … with a ``sample`` dimension.

    Args:
        file: The open file.
        names: Names of the groups, in the order of the simulations.

    Raises:
        RawDataError: if the first group is not laid out as expected; without the file's name.
    """
    groups = _Groups(file, names)
    place, space = place_of(groups.first), ", ".join(list(groups.points)[1:])
    if len(groups.shape) != len(groups.points) + 1:
        raise RawDataError(
            f"{place}/data: has the shape {groups.shape}; with the axes {space} of {place}/grid it "
            f"is [t, {space}, channel]"
        )
    *size, channels = groups.shape
    dims = ("sample", *dimensions(f"{place}/data", size, groups.points))
    shape, dtype = (len(names), *size), groups.first["data"].dtype
    chunks = {"chunksizes": groups.first["data"].chunks}
    variables: dict[str, Any] = {
        f"data[{channel}]": (
            dims,
            stacked(partial(groups.channel, channel), shape, dtype),
            {},
            chunks,
        )
        for channel in range(channels)
    }
    for name in _numbers(groups.first):
        values = stacked(partial(groups.number, name), shape[:1], np.dtype(np.float64))
        variables[name] = (("sample",), values)
    return xr.Dataset({**variables, **labelled(groups.points, size[0])}, attrs=attributes(file))


def _numbers(group: h5py.Group) -> list[str]:
    """What a group states as single numbers, in attributes or by themselves."""
    stored = {name: entry for name, entry in group.items() if isinstance(entry, h5py.Dataset)}
    stated = {name: np.asarray(value) for name, value in group.attrs.items()}
    return [
        name
        for name, entry in {**stored, **stated}.items()
        if entry.dtype.kind in "iuf" and entry.size == 1
    ]


def _data(group: Any) -> h5py.Dataset:
    data = group.get("data") if isinstance(group, h5py.Group) else None
    if not isinstance(data, h5py.Dataset):
        raise RawDataError(f"{place_of(group)}/data: absent")
    return data
