"""The system that a file's numbers are in: its own, or that of the data set's first file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from hybrid_pde.config.error_messages import suggest
from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.dimension_roles import FieldSource
from hybrid_pde.data.raw_files.file_units import FileUnits, Reference, file_units
from hybrid_pde.data.raw_files.time_axis import TimeUnit, shift_of_epoch
from hybrid_pde.data.raw_files.value_maps import ValueMaps, Vertical, value_maps, vertical_axis
from hybrid_pde.data.raw_files.vertical_directions import DOWN
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import ConfigError, RawDataError

# Names of coordinate variables whose numbers are degrees if they state no unit.
ANGLES = ("lon", "longitude", "grid_longitude", "rlon", "lat", "latitude", "grid_latitude", "rlat")


@dataclass(frozen=True)
class Conventions:
    """Conversion of a file's numbers to the data set's system.

    Attributes:
        time: Unit of the times.
        shift: Summand that makes the times count from the data set's reference date [time].
        units: Units of axes, fields and known parameters.
        maps: Maps of the variables' values.
        vertical: The vertical axis.
        first: The system of the data set's first file; ``None`` if this is the first one.
        is_own: Whether the file alone would have the same system.
    """

    time: TimeUnit
    shift: float
    units: FileUnits
    maps: ValueMaps
    vertical: Vertical
    first: Reference | None
    is_own: bool

    def stated(self, ends: Mapping[str, str], likely_ends: tuple[str, ...] = ()) -> StatedUnits:
        """The system, for other files to follow and for results.

        Args:
            ends: Position of the outer points of the axes whose values show it.
            likely_ends: Settings for axes whose values make it likely.
        """
        first = self.first.units if self.first else None
        epoch, calendar = self.time.epoch, self.time.calendar if self.time.epoch else ""
        if first and self.first and self.first.has_epoch:
            epoch, calendar = first.epoch, first.calendar
        units = self.units
        targets = {name: unit for name, unit in units.targets.items() if unit}
        return StatedUnits(
            length=units.length,
            time=self.time.name,
            time_of_files=first.time_of_files if first else self.time.of_file,
            seconds_of_files=first.seconds_of_files if first else self.time.scale,
            epoch=epoch,
            calendar=calendar,
            variables=tuple(targets.items()),
            converted=tuple(
                (name, own, units.targets.get(name, units.length))
                for name, own in units.sources.items()
            ),
            turned=self.maps.turned,
            vertical=self.vertical.axis if self.vertical.direction == DOWN else "",
            directed=self.maps.directed,
            ends=tuple(ends.items()),
            likely_ends=likely_ends,
            unusable=(*units.unusable, *self.maps.unusable),
            is_own=self.is_own,
        )


def conventions(
    dataset: xr.Dataset,
    sources: tuple[FieldSource, ...],
    roles: Mapping[str, str],
    coordinates: Mapping[str, xr.DataArray | None],
    time: TimeUnit,
    first: Reference | None,
    data: DataParams,
) -> Conventions:
    """The conversion of a file's numbers.

    Args:
        dataset: The file.
        sources: The fields.
        roles: Role of each dimension.
        coordinates: Coordinate variable of each spatial axis.
        time: Unit of the times.
        first: The system of the data set's first file; ``None`` for the file's own.
        data: The experiment's ``data`` section.

    Raises:
        ConfigError: if ``data.directions`` names what is not read.
        RawDataError: naming both units or reference dates, if one cannot be converted to the other.
    """
    for name in data.directions:
        if name not in (known := [*data.fields, *data.known_parameters]):
            raise ConfigError(f"data.directions: {suggest(name, known)}")
    axes = {axis: _axis_unit(each) for axis, each in coordinates.items()}
    stated = {source.layout.name: _unit(dataset[source.variables[0]]) for source in sources}
    for name, variable in data.known_names.items():
        if variable in dataset.variables:
            stated[name] = _unit(dataset[variable])
    fields = [source.layout.name for source in sources]
    alone = file_units(axes, stated, fields, time, None)
    units = alone if first is None else file_units(axes, stated, fields, time, first.units)
    shift = 0.0
    if first is not None and first.has_epoch:
        wanted = first.units
        calendar = time.calendar if time.epoch else ""
        try:
            shift = shift_of_epoch(time.epoch, calendar, wanted.epoch, wanted.calendar)
        except ValueError as error:
            raise RawDataError(f"time: {error}") from None
    is_own = (
        first is None
        or (shift == 0.0 and (alone.length, alone.targets) == (units.length, units.targets))
        and not first.units.ends
    )
    vertical = vertical_axis(coordinates, data.directions)
    maps = value_maps(dataset, sources, roles, list(coordinates), vertical, units, data)
    return Conventions(time, shift, units, maps, vertical, first, is_own)


def _unit(variable: xr.DataArray | None) -> Any:
    return None if variable is None else variable.attrs.get("units")


def _axis_unit(variable: xr.DataArray | None) -> Any:
    """The stated unit, or degrees for longitudes and latitudes without one."""
    unit = _unit(variable)
    if not unit and variable is not None and str(variable.name).lower() in ANGLES:
        return "degrees"
    return unit
