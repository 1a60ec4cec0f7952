"""Readings of sensors, fixed or moving.

Layout: ``K`` reading times, ``S`` sensors, ``C`` vector components in ascending order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.observations.sensor_units import KEY
from hybrid_pde.data.raw_files.guards import errors_name_file
from hybrid_pde.data.raw_files.subprocess_reader import check_readable
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import ConfigError

# Allowed excess over the domain or the time range, relative to it: rounding in single precision.
ROUNDING = 1e-6


@dataclass(frozen=True)
class SensorReadings:
    """The readings of sensors in one simulation.

    Attributes:
        times: Times of the readings [time], ascending, ``[K]``.
        positions: Positions [length] within the domain, ``[K, S, axes]``; the middle of the domain
            where a sensor has no reading.
        values: Readings of each measured field: ``[K, S]``, or ``[K, S, C]`` for a vector; NaN
            where there is none.
    """

    times: np.ndarray
    positions: np.ndarray
    values: Mapping[str, np.ndarray]


def read_sensors(
    path: Path,
    grid: Grid,
    layouts: Sequence[FieldLayout],
    times_range: tuple[float, float],
    data: DataParams | None = None,
    simulation: int = 0,
    units: StatedUnits | None = None,
) -> SensorReadings:
    """The readings of one simulation.

    The NetCDF file has the dimensions ``time``, with its coordinate, and ``sensor``; a variable
    ``u(time, sensor)`` for each measured field, and the positions ``x(time, sensor)`` or
    ``x(sensor)``, a variable for each axis. A dimension ``sample`` holds the readings of
    simulations 0, 1, …; without it, the readings belong to simulation 0. Times are read like those
    of the data: in seconds if they have a unit, from the reference date of the data. Positions and
    readings are converted to the units of the data.

    Args:
        path: The file.
        grid: Grid of the fields.
        layouts: The fields that change in time; the file may lack some of them.
        times_range: Time of the first and of the last frame [time].
        data: The experiment's ``data`` section, for names and the unit of time.
        simulation: Index of the simulation.
        units: The system that the data are in; by default as the file states its numbers.

    Raises:
        ConfigError: naming an entry that is missing, unknown, or outside the domain or the frames,
            or two units or reference dates that do not go together.
        RawDataError: if the file is damaged.
    """
    # slow to import, and without sensors nothing opens NetCDF files
    from hybrid_pde.data.observations.sensor_file import SensorFile
    from hybrid_pde.data.raw_files.netcdf_file import open_dataset

    if not path.is_file():
        raise ConfigError(f"{KEY}: no such file (file {path})")
    check_readable(path)
    with open_dataset(path) as dataset, errors_name_file(path):
        given = data or DataParams()
        file = SensorFile(dataset, layouts, grid.axes, given, simulation, units)
        times = _between_frames(file.times(), times_range, units)
        values = {name: file.values(name) for name in file.measured}
        there = np.zeros((len(times), file.num_sensors), dtype=bool)
        for each in values.values():
            there |= np.isfinite(each.reshape(*there.shape, -1)).any(-1)
        if not there.any():
            raise ConfigError(f"{KEY}: all readings are missing")
        places = {axis: file.positions(axis) for axis in grid.axes}
        positions = _within_domain(places, grid, times, there)
    return SensorReadings(times, positions, values)


def _between_frames(
    times: np.ndarray, times_range: tuple[float, float], units: StatedUnits | None
) -> np.ndarray:
    """The times, checked to lie between the first and the last frame."""
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ConfigError(f"{KEY}: the times must ascend, without missing ones")
    first, last = times_range
    slack = ROUNDING * (last - first)
    outside = times[(times < first - slack) | (times > last + slack)]
    if outside.size:
        unit = f" {units.time}" if units and units.time else ""
        since = f" since {units.epoch}" if units and units.epoch else ""
        raise ConfigError(
            f"{KEY}: a reading at t = {outside[0]:.9g}, but the frames are at {first:.9g} … "
            f"{last:.9g}{unit}{since}; leave out such readings, and check the units and the "
            "reference date of both times"
        )
    return np.clip(times, first, last)


def _within_domain(
    places: Mapping[str, np.ndarray], grid: Grid, times: np.ndarray, there: np.ndarray
) -> np.ndarray:
    """Positions ``[K, S, axes]``, checked to lie in the domain at every reading.

    A periodic box begins half a cell before its first point: positions up to half a cell outside
    are wrapped.

    Args:
        places: ``[K, S]`` or ``[S]`` by axis.
        grid: The grid, for its domain.
        times: Times of the readings ``[K]``.
        there: Mask of the existing readings ``[K, S]``.
    """
    columns = []
    boxes = zip(grid.axes, grid.lower, grid.upper, grid.spacing, grid.boundary, strict=True)
    for axis, lower, upper, spacing, sides in boxes:
        along = np.where(there, places[axis], (lower + upper) / 2)
        slack = ROUNDING * (upper - lower)
        if PERIODIC in sides:
            slack += spacing / 2
        # in this form, a missing (NaN) position counts as outside
        outside = ~((along >= lower - slack) & (along <= upper + slack))
        if outside.any():
            reading, sensor = np.argwhere(outside)[0]
            raise ConfigError(
                f"{KEY}: sensor {sensor} at t = {times[reading]:.9g}: "
                f"{axis} = {along[reading, sensor]:.9g} lies outside the domain "
                f"[{lower:g}, {upper:g}]; along a periodic axis, add or subtract its length"
            )
        if PERIODIC in sides:
            along = np.where(along < lower, along + (upper - lower), along)
            along = np.where(along > upper, along - (upper - lower), along)
        columns.append(np.clip(along, lower, upper))
    return np.stack(columns, axis=-1)
