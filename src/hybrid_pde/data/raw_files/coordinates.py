"""Coordinate variables of a file: times and points along each axis, as frames and axes."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.blocks import decode
from hybrid_pde.data.raw_files.guards import MAX_ENTRIES_AT_ONCE
from hybrid_pde.data.raw_files.inspection_mode import is_inspecting, refuse, remark
from hybrid_pde.data.raw_files.single_frames import single_frames_allowed
from hybrid_pde.data.raw_files.space_axes import Axis, make_axis
from hybrid_pde.data.raw_files.time_axis import Frames, TimeUnit, select_frames, time_unit
from hybrid_pde.errors import ConfigError, RawDataError


class Coordinates:
    """The coordinate variables of an open file; errors lack the file's name.

    Args:
        dataset: The file, undecoded.
        dim_of: The dimension of each role that the fields have.
        data: The experiment's ``data`` section.
    """

    def __init__(self, dataset: xr.Dataset, dim_of: Mapping[str, str], data: DataParams) -> None:
        self._dataset, self._dim_of, self._data = dataset, dim_of, data
        count = dataset.sizes[dim_of["time"]] if "time" in dim_of else 1
        self._is_single = single_frames_allowed() and count == 1

    def variable(self, role: str) -> xr.DataArray | None:
        """The coordinate variable of a role's dimension, if it has one."""
        dim = self._dim_of[role]
        for name in (self._data.dims.get(role, dim), dim):
            if name in self._dataset.variables and self._dataset[name].dims == (dim,):
                return self._dataset[name]
        return None

    def time_unit(self) -> TimeUnit:
        """Unit and reference date of the times.

        Raises:
            RawDataError: if there are no times, or their unit is none of time.
            ConfigError: if ``data.time_unit`` is no unit of time.
        """
        if self._is_single:
            return time_unit({}, self._data.time_unit)
        if self._lacks_times():
            refuse("time", _no_times(self._dim_of["time"]))
            return TimeUnit(1.0, "", "", "")
        coordinate = self._times()
        try:
            return time_unit(coordinate.attrs, self._data.time_unit)
        except ConfigError:
            raise
        except ValueError as error:
            refuse("time", f"{coordinate.name}: {error}")
            return TimeUnit(1.0, "", "", "")

    def frames(self, scale: float, shift: float) -> Frames:
        """The selected frames.

        Args:
            scale: Factor from the file's times to those of the data set.
            shift: Summand, after that.

        Raises:
            RawDataError: if their times are not uniform.
        """
        if self._is_single:
            return Frames(slice(0, 1, 1), np.zeros(1))
        count = self._dataset.sizes[self._dim_of["time"]]
        every = slice(0, count, 1)
        if self._lacks_times():
            return Frames(every, np.arange(count, dtype=np.float64))
        coordinate = self._times()
        times = np.arange(count, dtype=np.float64)
        try:
            raw = decode(_in_memory(coordinate.variable))
            times = raw.astype(np.float64) * scale + shift
            if raw.dtype == np.float32:
                remark(
                    "time",
                    f"{coordinate.name}: in single precision; steps that differ by its rounding "
                    "count as equal",
                )
            resolution = _resolution(_narrowed(raw)) * scale
            return select_frames(times, self._data.select, resolution)
        except ConfigError:
            raise
        except ValueError as error:
            refuse("time", f"{coordinate.name}: {error}")
            return Frames(every, times)

    def axis(self, axis: str, scale: float) -> Axis:
        """A spatial axis.

        Args:
            axis: ``x``, ``y`` or ``z``.
            scale: Factor from the file's coordinates to those of the data set.

        Raises:
            RawDataError: if the points are not uniform.
            ConfigError: if ``data.select`` does not fit.
        """
        dim, coordinate = self._dim_of[axis], self.variable(axis)
        size = self._dataset.sizes[dim]
        try:
            if coordinate is None:
                return make_axis(axis, size, None, 0.0, self._data)
            raw = decode(_in_memory(coordinate.variable))
            resolution = float(np.nanmax(_resolution(raw))) * scale
            points = raw.astype(np.float64) * scale
            return make_axis(axis, len(raw), points, resolution, self._data)
        except ConfigError:
            raise
        except ValueError as error:
            refuse(axis, f"{axis} ({dim}): {error}")
            return Axis(axis, size, np.arange(size, dtype=np.float64), False, 0, size, 1)

    def _lacks_times(self) -> bool:
        """True in an inspection if there are no times; otherwise that is an error."""
        return is_inspecting() and self.variable("time") is None

    def _times(self) -> xr.DataArray:
        coordinate = self.variable("time")
        if coordinate is None:
            raise RawDataError(_no_times(self._dim_of["time"]))
        return coordinate


def _no_times(dim: str) -> str:
    return f"time: the dimension {dim!r} has no coordinate variable"


def _in_memory(coordinate: xr.Variable) -> xr.Variable:
    """A coordinate with its values in memory, read piece by piece."""
    (dim,), (count,) = coordinate.dims, coordinate.shape
    starts = range(0, max(count, 1), MAX_ENTRIES_AT_ONCE)
    pieces = [coordinate[first : first + MAX_ENTRIES_AT_ONCE].load() for first in starts]
    return xr.Variable.concat(pieces, dim)


def _resolution(values: np.ndarray) -> np.ndarray:
    """Distance from each number to the next representable one."""
    if values.dtype.kind != "f":
        return np.zeros(values.shape)
    with np.errstate(invalid="ignore"):
        return np.spacing(np.abs(values)).astype(np.float64)


def _narrowed(values: np.ndarray) -> np.ndarray:
    """Numbers in single precision if that holds them exactly: they may have been rounded to it."""
    if values.dtype != np.float64:
        return values
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    return single if (single == values).all() else values
