"""NetCDF 3 and 4 through xarray.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space in ascending order.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from src.config.schema import DataParams
from src.data.boundary import BoundaryError, parse_attribute, parse_boundary
from src.data.grid import PERIODIC, Grid
from src.data.readers.base import Block, RawFileInfo
from src.data.readers.classic import is_classic, missing_bytes
from src.data.readers.roles import (
    SPACE,
    FieldSource,
    check_dims,
    component_dim,
    dimension_roles,
    field_sources,
    field_variables,
)
from src.data.readers.space import Axis, make_axis, make_grid
from src.data.readers.times import Frames, in_seconds, select_frames
from src.data.readers.values import decode
from src.errors import ConfigError, RawDataError, UserError

logger = logging.getLogger(__name__)

BLOCK_BYTES = 16 * 2**20  # of one field in double precision; more gains no speed
LIBRARY_ERRORS = (
    OSError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    OverflowError, EOFError, MemoryError,
)  # fmt: skip


@contextlib.contextmanager
def open_raw(path: Path, data: DataParams) -> Iterator["NetCDFFile"]:
    """Open one file.

    Raises:
        RawDataError: if it is no NetCDF file, damaged, or does not hold what is asked for.
        ConfigError: if the ``data`` section contradicts itself.
    """
    with _named(path):
        if not path.is_file():
            raise RawDataError("is no file")
        if is_classic(path) and (short := missing_bytes(path)):
            raise RawDataError(f"is truncated: {short} bytes are missing at its end")
        # CF decoding of the whole file would stumble over variables that nobody asks for
        dataset = xr.open_dataset(
            path.resolve(), engine="netcdf4", decode_cf=False, cache=False, chunks=None
        )
    try:
        with _named(path):
            file = NetCDFFile(path, dataset, data)
        yield file
    finally:
        dataset.close()


class NetCDFFile:
    """An open NetCDF file; see :class:`src.data.readers.base.RawFile`."""

    def __init__(self, path: Path, dataset: xr.Dataset, data: DataParams) -> None:
        check_dims(data.dims)
        self._path = path
        self._dataset = dataset
        self._roles = dimension_roles(dataset, data.dims)
        self._variables = [
            variable for name in data.fields for variable in field_variables(dataset, name, data)
        ]
        self._dim_of = self._dimensions()
        axes = [axis for axis in SPACE if axis in self._dim_of]
        self._sources = field_sources(dataset, self._roles, axes, data)
        self._frames = self._read_times(data)
        self._axes = [self._read_axis(axis, data) for axis in axes]
        _check_selection(data, axes)
        grid, stated = self._read_grid(axes, data)
        self.info = RawFileInfo(
            num_samples=dataset.sizes[self._dim_of["sample"]] if "sample" in self._dim_of else 1,
            num_frames=len(self._frames.times),
            start=float(self._frames.times[0]),
            dt=self._frames.dt,
            grid=grid,
            layouts=tuple(source.layout for source in self._sources),
            boundary_stated=stated,
        )

    @property
    def times(self) -> np.ndarray:
        """Time of each selected frame [time], double precision."""
        return self._frames.times

    def static(self, sample: int) -> Block:
        """The fields without a time axis, ``[C, *space]`` float32 each."""
        with _named(self._path):
            return {
                source.layout.name: self._read(source, sample, 0, 1)[0]
                for source in self._sources
                if source.layout.static
            }

    def frames(self, sample: int) -> Iterator[Block]:
        """The other fields block by block, ``[T, C, *space]`` float32, in the order of time."""
        sources = [source for source in self._sources if not source.layout.static]
        channels = max(source.layout.channels for source in sources)
        points = int(np.prod([axis.stop - axis.start for axis in self._axes]))
        length = max(1, BLOCK_BYTES // (8 * channels * points))
        for first in range(0, self.info.num_frames, length):
            last = min(first + length, self.info.num_frames)
            with _named(self._path):
                block = {
                    source.layout.name: self._read(source, sample, first, last)
                    for source in sources
                }
            yield block

    def _dimensions(self) -> dict[str, str]:
        """The dimension of each role among the variables asked for."""
        found: dict[str, str] = {}
        for variable in self._variables:
            for dim in map(str, self._dataset[variable].dims):
                role = self._roles.get(dim)
                size = self._dataset.sizes[dim]
                if size == 0:
                    raise RawDataError(f"{variable}: its dimension {dim!r} is empty")
                if role is None and size > 1:
                    raise RawDataError(
                        f"{variable}: its dimension {dim!r} is none that is known (time, x, y, z, "
                        f"sample, vector); say which it is, e.g. data.dims: {{x: {dim}}}"
                    )
                if role is None or role == "vector" or (role in SPACE and size == 1):
                    continue
                if found.setdefault(role, dim) != dim:
                    raise RawDataError(
                        f"{variable}: its dimension {dim!r} and {found[role]!r} are both {role}; "
                        "all fields lie on the same points"
                    )
        if "time" not in found:
            raise RawDataError(
                f"{', '.join(self._variables)}: no time axis; where it has another name, say "
                "which it is: data.dims: {time: …}"
            )
        if not set(found) & set(SPACE):
            raise RawDataError(f"{', '.join(self._variables)}: no spatial axis of 2 points or more")
        return found

    def _coordinate(self, role: str, data: DataParams) -> xr.DataArray | None:
        """The coordinate variable of a role's dimension."""
        dim = self._dim_of[role]
        for name in (data.dims.get(role, dim), dim):
            if name in self._dataset.variables and self._dataset[name].dims == (dim,):
                return self._dataset[name]
        return None

    def _read_times(self, data: DataParams) -> Frames:
        coordinate = self._coordinate("time", data)
        dim = self._dim_of["time"]
        if coordinate is None:
            raise RawDataError(f"time: the dimension {dim!r} has no coordinate variable")
        try:
            raw = decode(coordinate.load().variable)
            attrs = coordinate.attrs
            unit = attrs.get("units")
            calendar = str(attrs.get("calendar", "standard")).lower()
            times = in_seconds(raw, unit if unit is None else str(unit), calendar, data.time_unit)
            scale = in_seconds(np.ones(1), unit and str(unit), calendar, data.time_unit)[0]
            return select_frames(times, data.select, _resolution(raw) * scale)
        except ConfigError:
            raise
        except ValueError as error:
            raise RawDataError(f"{coordinate.name}: {error}") from None

    def _read_axis(self, axis: str, data: DataParams) -> Axis:
        dim = self._dim_of[axis]
        coordinate = self._coordinate(axis, data)
        try:
            if coordinate is None:
                return make_axis(axis, self._dataset.sizes[dim], None, 0.0, data)
            raw = decode(coordinate.load().variable)
            resolution = float(np.nanmax(_resolution(raw)))
            return make_axis(axis, len(raw), raw.astype(np.float64), resolution, data)
        except ConfigError:
            raise
        except ValueError as error:
            raise RawDataError(f"{axis} ({dim}): {error}") from None

    def _read_grid(self, axes: list[str], data: DataParams) -> tuple[Grid, bool]:
        stated: Any = data.boundary
        error_class: type[UserError] = ConfigError
        if stated is None and "boundary" in self._dataset.attrs:
            stated, error_class = self._dataset.attrs["boundary"], RawDataError
        try:
            if error_class is RawDataError:
                stated = parse_attribute(stated)
            boundary = parse_boundary(PERIODIC if stated is None else stated, axes)
        except BoundaryError as error:
            place = "data.boundary" if error_class is ConfigError else "attribute boundary"
            raise error_class(f"{place}: {error}") from None
        return make_grid(self._axes, boundary, data), stated is not None

    def _read(self, source: FieldSource, sample: int, first: int, last: int) -> np.ndarray:
        """Frames ``first`` to ``last`` of a field as ``[T, C, *space]``; one frame if static."""
        parts = [
            self._read_variable(source, variable, sample, first, last)
            for variable in source.variables
        ]
        values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        with np.errstate(over="ignore"):
            single = _coarsen(values, self._axes).astype(np.float32)
        if not np.isfinite(single).all():
            raise RawDataError(f"{source.layout.name}: a value is beyond single precision")
        return single

    def _read_variable(
        self, source: FieldSource, variable: str, sample: int, first: int, last: int
    ) -> np.ndarray:
        array = self._dataset[variable]
        step = self._frames.indices.step
        begin = self._frames.indices.start + first * step
        selected: dict[str, Any] = {
            "time": slice(begin, begin + (last - first - 1) * step + 1, step),
            "sample": sample,
            **{axis.name: axis.in_file for axis in self._axes},
        }
        indexers = {
            dim: selected.get(self._roles.get(dim, ""), slice(None) if role_is_vector else 0)
            for dim in map(str, array.dims)
            for role_is_vector in [self._roles.get(dim) == "vector"]
        }
        block = array.isel(indexers).variable.load()
        try:
            values = xr.Variable(block.dims, decode(block))
        except ValueError as error:
            raise RawDataError(f"{variable}: {error}") from None
        native = self._native(values, variable, source)
        self._check_finite(native, variable, source, sample, first)
        return native

    def _native(self, values: xr.Variable, variable: str, source: FieldSource) -> np.ndarray:
        """Dimensions in the order ``[T, C, *space]``, axes ascending."""
        component = component_dim(self._dataset, self._roles, variable)
        order = []
        for role, dim in [
            ("time", None if source.layout.static else self._dim_of["time"]),
            ("vector", component),
            *((axis.name, self._dim_of[axis.name]) for axis in self._axes),
        ]:
            if dim is None:
                values = values.expand_dims(f"new {role}")
                dim = f"new {role}"
            elif dim not in values.dims:
                raise RawDataError(f"{variable}: has no {role} axis, which other variables have")
            order.append(dim)
        native = values.transpose(*order).values
        if source.order:
            native = native[:, list(source.order)]
        flips = [2 + place for place, axis in enumerate(self._axes) if axis.descending]
        return np.flip(native, flips) if flips else native

    def _check_finite(
        self, native: np.ndarray, variable: str, source: FieldSource, sample: int, first: int
    ) -> None:
        if np.isfinite(native).all():
            return
        frame, channel, *place = (int(index) for index in np.argwhere(~np.isfinite(native))[0])
        where = []
        if "sample" in self._dim_of:
            where.append(f"sample {sample}")
        if not source.layout.static:
            index = self._frames.indices.start + (first + frame) * self._frames.indices.step
            where.append(f"time index {index} (t = {self.times[first + frame]:.9g})")
        if native.shape[1] > 1:
            where.append(f"component {source.layout.components[channel]}")
        for axis, index in zip(self._axes, place, strict=True):
            assert axis.coordinates is not None
            at = axis.coordinates[axis.start + index]
            where.append(f"{axis.name} index {axis.file_index(index)} ({axis.name} = {at:.9g})")
        raise RawDataError(
            f"{variable}: missing or infinite value at {', '.join(where)}; fill it, or leave its "
            "surroundings out with data.select"
        )


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Every failure becomes an error that names the file."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{error} (file {path})") from None
    except RawDataError as error:
        raise RawDataError(f"{path}: {error}") from None
    except LIBRARY_ERRORS as error:
        raise RawDataError(f"{path}: cannot be read as NetCDF: {error}") from error


def _check_selection(data: DataParams, axes: list[str]) -> None:
    """Refuse settings for axes that the file does not have."""
    for key, section in (
        ("data.domain", data.domain),
        ("data.select.crop", data.select.crop),
        ("data.select.coarsen", data.select.coarsen),
    ):
        for axis in section:
            if axis not in axes:
                raise ConfigError(f"{key}.{axis}: no such axis; there are {', '.join(axes)}")


def _resolution(values: np.ndarray) -> np.ndarray:
    """Distance from each number to the next one of its type."""
    if values.dtype.kind != "f":
        return np.zeros(values.shape)
    with np.errstate(invalid="ignore"):
        return np.spacing(np.abs(values)).astype(np.float64)


def _coarsen(native: np.ndarray, axes: list[Axis]) -> np.ndarray:
    """Means over blocks of neighbouring cells."""
    for place, axis in enumerate(axes):
        if axis.coarsen > 1:
            shape = native.shape
            split = (shape[2 + place] // axis.coarsen, axis.coarsen)
            blocks = native.reshape(*shape[: 2 + place], *split, *shape[3 + place :])
            native = blocks.mean(axis=3 + place, dtype=np.float64)
    return native
