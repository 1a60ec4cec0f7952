"""Readings of sensors, fixed or moving.

Layout: ``K`` reading times, ``S`` sensors, ``C`` vector components in ascending order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.observations.sensor_file import KEY, SensorFile
from hybrid_pde.data.raw_files.guards import errors_name_file
from hybrid_pde.data.raw_files.netcdf_file import open_dataset
from hybrid_pde.data.raw_files.subprocess_reader import check_readable
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError

# Share of the domain or of the time by which a value may lie outside: rounding of single precision.
ROUNDING = 1e-6


@dataclass(frozen=True)
class SensorReadings:
    """What sensors read in one simulation.

    Attributes:
        times: When [time], ascending, ``[K]``.
        positions: Where [length], within the domain, ``[K, S, axes]``; where a sensor reads nothing
            it is put in the middle of the domain.
        values: Readings of each field that is measured: ``[K, S]``, or ``[K, S, C]`` of a vector;
            NaN where there is none.
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
) -> SensorReadings:
    """The readings of one simulation.

    The NetCDF file has the dimensions ``time``, with its coordinate, and ``sensor``; a variable
    ``u(time, sensor)`` for each measured field, and the positions ``x(time, sensor)`` or
    ``x(sensor)``, a variable for each axis. A dimension ``sample`` holds the readings of
    simulations 0, 1, …; without one, they are those of simulation 0. Times are read as those of the
    data: in seconds where they have a unit, and without regard to a reference date.

    Args:
        path: The file.
        grid: Grid of the fields.
        layouts: The fields that change in time; those that the file lacks are not measured.
        times_range: Time of the first and of the last frame [time].
        data: Names of variables, dimensions and the unit of time, as for the data.
        simulation: Which simulation.

    Raises:
        ConfigError: naming what lies outside the domain or the frames, is absent, or unknown.
        RawDataError: if the file is damaged.
    """
    if not path.is_file():
        raise ConfigError(f"{KEY}: no such file (file {path})")
    check_readable(path)
    with open_dataset(path) as dataset, errors_name_file(path):
        file = SensorFile(dataset, layouts, grid.axes, data or DataParams(), simulation)
        times = _between_frames(file.times(), times_range)
        values = {name: file.values(name) for name in file.measured}
        there = np.zeros((len(times), file.num_sensors), dtype=bool)
        for each in values.values():
            there |= np.isfinite(each.reshape(*there.shape, -1)).any(-1)
        if not there.any():
            raise ConfigError(f"{KEY}: all readings are missing")
        places = {axis: file.positions(axis) for axis in grid.axes}
        positions = _within_domain(places, grid, times, there)
    return SensorReadings(times, positions, values)


def _between_frames(times: np.ndarray, times_range: tuple[float, float]) -> np.ndarray:
    """The times, all of which must lie between the first and the last frame."""
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ConfigError(f"{KEY}: the times must ascend, without missing ones")
    first, last = times_range
    slack = ROUNDING * (last - first)
    outside = times[(times < first - slack) | (times > last + slack)]
    if outside.size:
        raise ConfigError(
            f"{KEY}: a reading at t = {outside[0]:.9g}, but the frames are at {first:.9g} … "
            f"{last:.9g}"
        )
    return np.clip(times, first, last)


def _within_domain(
    places: Mapping[str, np.ndarray], grid: Grid, times: np.ndarray, there: np.ndarray
) -> np.ndarray:
    """Positions ``[K, S, axes]``, all of which must lie in the domain where there is a reading.

    Args:
        places: ``[K, S]`` or ``[S]`` by axis.
        grid: The grid, for its domain.
        times: Times of the readings ``[K]``.
        there: Which readings there are ``[K, S]``.
    """
    columns = []
    for axis, lower, upper in zip(grid.axes, grid.lower, grid.upper, strict=True):
        along = np.where(there, places[axis], (lower + upper) / 2)
        slack = ROUNDING * (upper - lower)
        # asked this way round, a missing position is outside
        outside = ~((along >= lower - slack) & (along <= upper + slack))
        if outside.any():
            reading, sensor = np.argwhere(outside)[0]
            raise ConfigError(
                f"{KEY}: sensor {sensor} at t = {times[reading]:.9g}: "
                f"{axis} = {along[reading, sensor]:.9g} lies outside the domain "
                f"[{lower:g}, {upper:g}]; along a periodic axis, add or subtract its length"
            )
        columns.append(np.clip(along, lower, upper))
    return np.stack(columns, axis=-1)
