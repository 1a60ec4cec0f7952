"""Storages of py-pde as labelled variables.

Layout: ``T`` time, ``C`` component, ``X Y Z`` space.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.dimension_roles import SPACE
from hybrid_pde.data.raw_files.guards import check_size, reject_external_data
from hybrid_pde.data.raw_files.hdf5 import listed
from hybrid_pde.data.raw_files.lazy_arrays import Place, lazy
from hybrid_pde.domain.grid import PERIODIC
from hybrid_pde.errors import RawDataError

DATA = "data"
TIMES = "times"
FIELDS = "field_attributes"
RANKS = {"ScalarField": 0, "VectorField": 1, "Tensor2Field": 2}


def is_storage(file: h5py.File) -> bool:
    """True if a file has the data sets of a storage."""
    return {DATA, TIMES} <= set(file)


@dataclass(frozen=True)
class _Grid:
    """Ends, number of points and periodicity of each axis."""

    ends: tuple[tuple[float, float], ...]
    shape: tuple[int, ...]
    periodic: tuple[bool, ...]

    @property
    def axes(self) -> tuple[str, ...]:
        return SPACE[: len(self.shape)]

    def points(self, number: int) -> np.ndarray:
        """Cell centres along an axis."""
        (lower, upper), count = self.ends[number], self.shape[number]
        return lower + (np.arange(count) + 0.5) * ((upper - lower) / count)


def labelled_contents(file: h5py.File, data: DataParams) -> xr.Dataset:
    """The file as variables of named dimensions.

    A field without a label is called ``data``, or ``data[0]``, ``data[1]``, … in a collection.

    Args:
        file: The open file.
        data: The experiment's ``data`` section.

    Raises:
        RawDataError: if it is no storage on a Cartesian grid, or does not state its boundary;
            without the file's name.
    """
    if not is_storage(file):
        raise RawDataError(
            "not a storage of py-pde, which has the data sets data and times; it holds "
            f"{listed(file)}"
        )
    reject_external_data(file)
    stated = {name: _decoded(name, value) for name, value in file.attrs.items()}
    if FIELDS not in stated:
        raise RawDataError(
            f"no attribute {FIELDS}, which says what the numbers mean: the storage was not closed; "
            "call storage.end_writing() and storage.close() where it is written"
        )
    described = _mapping(stated[FIELDS], FIELDS)
    parts = described.get("fields")
    members = [described] if parts is None else [_mapping(each, FIELDS) for each in parts]
    grid = _grid(_mapping(members[0].get("grid"), "grid") if members else {})
    stored, times = file[DATA], file[TIMES]
    frames = _num_frames(stored, times, stated)
    check_size(TIMES, (frames,))
    variables: dict[str, Any] = {"time": (("time",), times[:frames])}
    variables |= {axis: ((axis,), grid.points(n)) for n, axis in enumerate(grid.axes)}
    variables["vector"] = (("vector",), np.array(grid.axes))
    variables |= _fields(stored, frames, grid, members, is_single=parts is None)
    attrs = {name: value for name, value in stated.items() if _is_number(value)}
    if data.boundary is None:
        attrs["boundary"] = _boundary(grid)
    return xr.Dataset(variables, attrs=attrs)


def _fields(
    stored: h5py.Dataset, frames: int, grid: _Grid, members: list[dict[str, Any]], is_single: bool
) -> dict[str, Any]:
    """The fields as variables; a collection's components lie one after the other."""
    size, first = len(grid.axes), 0
    found: dict[str, Any] = {}
    for number, member in enumerate(members):
        kind = member.get("class")
        if kind not in RANKS:
            raise RawDataError(
                f"{FIELDS}: a field of the class {kind!r}; known: {', '.join(RANKS)}"
            )
        rank, count = RANKS[kind], size ** RANKS[kind]
        label = member.get("label")
        name = str(label) if label else (DATA if is_single else f"{DATA}[{number}]")
        lead = [(size,) * rank if is_single else (count,)][0]
        columns = None if is_single else slice(first, first + count)
        if is_single and stored.shape[1:] != (*lead, *grid.shape):
            raise _misshapen(stored, grid)
        if not is_single and (stored.ndim != size + 2 or stored.shape[2:] != grid.shape):
            raise _misshapen(stored, grid)
        first += count
        if rank == 2:
            continue  # no field of an experiment is a tensor
        read = _reader(stored, columns, rank)
        dims = ("time", *(("vector",) if rank else ()), *grid.axes)
        shape = (frames, *((size,) if rank else ()), *grid.shape)
        chunks = {"chunksizes": stored.chunks}
        found.setdefault(name, (dims, lazy(read, shape, stored.dtype), {}, chunks))
    if not is_single and first != stored.shape[1]:
        raise _misshapen(stored, grid)
    return found


def _reader(stored: h5py.Dataset, columns: slice | None, rank: int) -> Any:
    """Reads a field, which is the whole array, or some of its columns."""

    def read(place: Place) -> np.ndarray:
        if columns is None:
            return np.asarray(stored[place])
        if rank == 0:
            return np.asarray(stored[(place[0], columns.start, *place[1:])])
        chosen = range(columns.start, columns.stop)[place[1]]
        inside = (
            chosen if isinstance(chosen, int) else slice(chosen.start, chosen.stop, chosen.step)
        )
        return np.asarray(stored[(place[0], inside, *place[2:])])

    return read


def _grid(stated: dict[str, Any]) -> _Grid:
    kind = stated.get("class")
    if kind not in ("CartesianGrid", "UnitGrid"):
        raise RawDataError(
            f"grid: a {kind!r}; only Cartesian grids are read: interpolate the fields, e.g. with "
            "py-pde's field.interpolate_to_grid(CartesianGrid(…))"
        )
    try:
        shape = tuple(int(each) for each in stated["shape"])
        bounds = stated.get("bounds", [[0, count] for count in shape])
        ends = tuple((float(lower), float(upper)) for lower, upper in bounds)
        given = stated.get("periodic", False)
        periodic = tuple(
            bool(each) for each in (given if isinstance(given, list) else [given] * len(shape))
        )
        is_whole = len(shape) == len(ends) == len(periodic) <= len(SPACE) and shape
        if not is_whole or min(shape) < 1 or not all(_is_interval(*each) for each in ends):
            raise ValueError("its parts do not fit")
    except (KeyError, TypeError, ValueError) as error:
        raise RawDataError(f"grid: shape, bounds and periodic are damaged: {error}") from None
    for axis, count in zip(SPACE, shape, strict=False):
        check_size(axis, (count,))
    return _Grid(ends, shape, periodic)


def _boundary(grid: _Grid) -> str:
    """The boundary, which a storage states only where it is periodic."""
    walls = [
        axis
        for axis, periodic, count in zip(grid.axes, grid.periodic, grid.shape, strict=True)
        if not periodic and count > 1
    ]
    if walls:
        rest = {axis: PERIODIC for axis in grid.axes if axis not in walls}
        line = ", ".join(f"{axis}: {rest.get(axis, 'zero-gradient')}" for axis in grid.axes)
        raise RawDataError(
            f"the grid is not periodic along {', '.join(walls)}, and py-pde does not store the "
            "condition there; set the one that the simulation was run with, e.g. "
            f"data.boundary: {{{line}}}"
        )
    return PERIODIC


def _num_frames(stored: Any, times: Any, stated: dict[str, Any]) -> int:
    """Number of frames that were written; more may be allocated."""
    is_array = isinstance(stored, h5py.Dataset) and isinstance(times, h5py.Dataset)
    if not is_array or stored.ndim < 2 or times.ndim != 1 or len(stored) != len(times):
        raise RawDataError(f"{DATA} and {TIMES}: not one frame for each time")
    length = stated.get("data_length", len(stored))
    if not isinstance(length, int) or not 0 <= length <= len(stored):
        raise RawDataError(f"data_length: {length!r}: there are {len(stored)} frames")
    return length


def _decoded(name: str, value: Any) -> Any:
    """An attribute: JSON in a text."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        return np.asarray(text).tolist()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _mapping(value: Any, name: str) -> dict[str, Any]:
    """A mapping of which every value may be JSON in a text again."""
    decoded = _decoded(name, value)
    if not isinstance(decoded, dict):
        raise RawDataError(f"{name}: {decoded!r:.80}: must be a mapping")
    return {key: _decoded(key, each) for key, each in decoded.items()}


def _is_interval(lower: float, upper: float) -> bool:
    return math.isfinite(lower) and math.isfinite(upper) and lower < upper


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _misshapen(stored: h5py.Dataset, grid: _Grid) -> RawDataError:
    return RawDataError(
        f"{DATA}: its shape is {list(stored.shape)}, which does not fit its fields on a grid of "
        f"{list(grid.shape)} points"
    )
