"""Layouts of HDF5 files of PDEBench and PDEInvBench as labelled variables.

Flat: arrays ``[N, T, X, …]``, in PDEInvBench ``tensor`` ``[T, X, …]`` of a single simulation, with
``t-coordinate``, ``x-coordinate``, …. Groups: each simulation is a group with ``data``
``[T, X, …, C]`` and ``grid/t``, ``grid/x``, …; single numbers that a group has as attributes or
data sets become variables, too. Incompressible flow: ``velocity`` ``[N, T, X, Y, 2]`` and ``t``
``[N, T]``, without points.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import h5py
import numpy as np
import xarray as xr

from hybrid_pde.data.raw_files.dimension_roles import SPACE
from hybrid_pde.data.raw_files.guards import reject_external_data
from hybrid_pde.data.raw_files.hdf5 import (
    TIME,
    attributes,
    common_times,
    coordinate_variables,
    coordinates,
    dimensions,
    lazy_array,
    listed,
    place_of,
)
from hybrid_pde.data.raw_files.lazy_arrays import Place, lazy_stack
from hybrid_pde.errors import RawDataError

TOLERANCE = 1e-3  # of a step: allowed difference between the coordinates of two simulations
GRID = "grid/{}"
FLAT = "tensor"
FLAT_COORDINATE = "{}-coordinate"
NETCDF_MARK = "_NCProperties"  # an attribute that the NetCDF library writes into each file
FLOW = "velocity"
FLOW_TIMES = "t"


def labelled_contents(file: h5py.File) -> xr.Dataset:
    """The file as variables of named dimensions.

    Raises:
        RawDataError: if it has none of the layouts; without the file's name.
    """
    numbered = sorted(filter(str.isdecimal, file), key=int)
    if numbered:
        return _from_groups(file, numbered)
    if _is_flat(file):
        return _from_arrays(file)
    if {FLOW, FLOW_TIMES} <= set(file):
        return _from_flow(file)
    if NETCDF_MARK in file.attrs:
        raise RawDataError("NetCDF by its content; rename the file so that its name ends in .nc")
    raise RawDataError(
        "unknown layout: PDEBench's files have groups 0000, 0001, … with data [T, X, …, C] and "
        "grid/t, grid/x, …, or an array [N, T, X, …] with t-coordinate, x-coordinate, …, or "
        "velocity [N, T, X, Y, 2] and t [N, T]; The Well's have dimensions and t0_fields, py-pde's "
        f"data and times; it holds {listed(file)}. Convert another one: import h5py, xarray as xr; "
        "f = h5py.File('a.h5'); xr.Dataset({'u': (('time', 'x'), f['u'][()])}, "
        "{'time': f['t'][()], 'x': f['x'][()]}).to_netcdf('a.nc')"
    )


def holds_one_simulation(file: h5py.File) -> bool:
    """True if the flat layout has no axis of simulations, as in PDEInvBench."""
    if not _is_flat(file) or FLAT not in file:
        return False
    points = sum(FLAT_COORDINATE.format(axis) in file for axis in (TIME, *SPACE))
    tensor = file[FLAT]
    return isinstance(tensor, h5py.Dataset) and tensor.ndim == points


def _is_flat(file: h5py.File) -> bool:
    return {FLAT_COORDINATE.format(axis) for axis in (TIME, "x")} <= set(file)


def _from_arrays(file: h5py.File) -> xr.Dataset:
    """The arrays of the flat layout as variables with a ``sample`` dimension.

    Args:
        file: The open file.

    Raises:
        RawDataError: if no array has the expected shape; without the file's name.
    """
    reject_external_data(file)
    points = coordinates(file, FLAT_COORDINATE)
    arrays = {
        name: entry
        for name, entry in file.items()
        if isinstance(entry, h5py.Dataset) and not name.endswith(FLAT_COORDINATE.format(""))
    }
    first = () if holds_one_simulation(file) else ("sample",)
    full = [name for name, entry in arrays.items() if entry.ndim == len(points) + len(first)]
    if not full:
        shapes = ", ".join(f"{name}{list(entry.shape)}" for name, entry in arrays.items())
        raise RawDataError(f"no array [sample, {', '.join(points)}]; it holds {shapes or 'none'}")
    size = arrays[full[0]].shape[len(first) :]
    dims = dimensions(full[0], size, points)
    lengths = dict(zip((*first, *dims), arrays[full[0]].shape, strict=True))
    variables: dict[str, Any] = {}
    for name, entry in arrays.items():
        for kind in (dims, dims[1:], dims[:1], ()):  # in time and space, in space, in time, single
            if entry.shape == tuple(lengths[dim] for dim in (*first, *kind)):
                chunks = {"chunksizes": entry.chunks}
                variables.setdefault(
                    name, ((*first, *kind), lazy_array(entry), attributes(entry), chunks)
                )
    return xr.Dataset(
        {**variables, **coordinate_variables(points, size[0])}, attrs=attributes(file)
    )


def _from_flow(file: h5py.File) -> xr.Dataset:
    """Incompressible flow: fields ``[N, T, X, Y, C]`` or ``[N, X, Y, C]`` and times ``[N, T]``.

    The files state no points; ``data.domain`` gives the ends of the box.

    Raises:
        RawDataError: if the velocity has another shape; without the file's name.
    """
    reject_external_data(file)
    arrays = {name: entry for name, entry in file.items() if isinstance(entry, h5py.Dataset)}
    velocity = arrays.get(FLOW)
    axes = SPACE[: 0 if velocity is None else velocity.ndim - 3]
    if velocity is None or not axes or velocity.shape[-1] != len(axes):
        raise RawDataError(
            f"{FLOW}: its shape is {velocity and velocity.shape}; PDEBench's is [N, T, X, Y, 2]"
        )
    whole = ("sample", "time", *axes)
    lengths = dict(zip(whole, velocity.shape, strict=False))
    variables: dict[str, Any] = {}
    for name, entry in arrays.items():
        for dims in (whole, ("sample", *axes)):
            rest = entry.shape[len(dims) :]
            component = {(len(axes),): ("vector",), (1,): ("single",), (): ()}.get(rest)
            if component is None or entry.shape[: len(dims)] != tuple(lengths[d] for d in dims):
                continue
            chunks = {"chunksizes": entry.chunks}
            labels = (*dims, *component)
            variables[name] = (labels, lazy_array(entry), attributes(entry), chunks)
            break
    times = common_times(arrays[FLOW_TIMES]) if FLOW_TIMES in arrays else np.empty(0)
    points = {TIME: times}
    for axis in axes:
        entry = arrays.get(axis)
        if entry is not None and entry.shape == (lengths[axis],):
            points[axis] = entry[()]
    if len(times) < lengths["time"]:
        raise RawDataError(
            f"{FLOW_TIMES}: {len(times)} times, and {FLOW} has {lengths['time']} frames"
        )
    variables = {name: each for name, each in variables.items() if name not in points}
    coordinate = coordinate_variables(points, lengths["time"])
    return xr.Dataset({**variables, **coordinate}, attrs=attributes(file))


class _Groups:
    """The simulations of a file; each is checked when first read, as there may be thousands."""

    def __init__(self, file: h5py.File, names: Sequence[str]) -> None:
        self._file = file
        self.names = names
        self.first = file[names[0]]
        if isinstance(self.first, h5py.Group):
            reject_external_data(self.first)
        self.points = coordinates(self.first, GRID)
        self.shape = _data(self.first).shape
        self._checked = {0}

    def channel(self, channel: int, simulation: int, place: Place) -> np.ndarray:
        """A part of one channel of a simulation."""
        group = self._file[self.names[simulation]]
        if simulation not in self._checked:
            self._check_alike(group)
            self._checked.add(simulation)
        return np.asarray(group["data"][(*place, channel)])

    def number(self, name: str, simulation: int, place: Place) -> np.ndarray:
        """A number that a simulation states; NaN where it does not."""
        assert not place, "a number has no axes"
        group = self._file[self.names[simulation]]
        reject_external_data(group)
        value = group.attrs.get(name, group[name][()] if name in group else np.nan)
        return np.asarray(value, np.float64).reshape(())

    def _check_alike(self, group: h5py.Group) -> None:
        """Reject a simulation with another shape or grid than the first one."""
        reject_external_data(group)
        shape, here, there = _data(group).shape, place_of(group), place_of(self.first)
        if shape != self.shape:
            raise RawDataError(
                f"{here}/data: has the shape {shape}, {there}/data {self.shape}; all "
                "simulations of a file have the same shape"
            )
        points = coordinates(group, GRID)
        for axis, wanted in self.points.items():
            step = abs(wanted[-1] - wanted[0]) / max(1, len(wanted) - 1)
            same = axis in points and points[axis].shape == wanted.shape
            if not same or not np.allclose(points[axis], wanted, rtol=0, atol=TOLERANCE * step):
                raise RawDataError(
                    f"{here}/grid/{axis}: differs from {there}/grid/{axis}; all simulations of a "
                    "file have the same grid and times"
                )


def _from_groups(file: h5py.File, names: Sequence[str]) -> xr.Dataset:
    """The grouped layout as variables ``data[0]``, ``data[1]``, … with a ``sample`` dimension.

    Args:
        file: The open file.
        names: Names of the groups, in the order of the simulations.

    Raises:
        RawDataError: if the first group has another layout; without the file's name.
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
            lazy_stack(partial(groups.channel, channel), shape, dtype),
            {},
            chunks,
        )
        for channel in range(channels)
    }
    for name in _numbers(groups.first):
        values = lazy_stack(partial(groups.number, name), shape[:1], np.dtype(np.float64))
        variables[name] = (("sample",), values)
    return xr.Dataset(
        {**variables, **coordinate_variables(groups.points, size[0])}, attrs=attributes(file)
    )


def _numbers(group: h5py.Group) -> list[str]:
    """Names of single numbers that a group has as attributes or data sets."""
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
