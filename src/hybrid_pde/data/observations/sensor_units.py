"""Units, reference dates and directions of sensor files, brought to those of the data."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.time_axis import TimeUnit, shift_of_epoch, time_unit
from hybrid_pde.data.raw_files.unit_conversion import is_length, linear_map, unit_text
from hybrid_pde.data.raw_files.vertical_directions import DOWN, component_direction
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import ConfigError
from hybrid_pde.result_warnings import warn_of_result

KEY = "data.observations.sensors"
Attributes = Mapping[Any, Any]


class SensorUnits:
    """Conversion of a sensor file's numbers.

    Args:
        data_units: The system that the data are in.
        data: Names, unit of time and directions.
    """

    def __init__(self, data_units: StatedUnits, data: DataParams) -> None:
        self._units, self._data = data_units, data

    def time(self, attrs: Attributes) -> tuple[TimeUnit, float]:
        """Unit of the reading times, and the summand that makes them count like the data's.

        Raises:
            ConfigError: naming both reference dates, if they have no common axis.
        """
        try:
            unit = time_unit(attrs, self._data.time_unit)
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(f"{KEY}: {error}") from None
        epoch, calendar = self._units.epoch, self._units.calendar
        if bool(epoch) != bool(unit.epoch):
            if self._units != StatedUnits():
                here, there = (
                    f"from {date}" if date else "from no date" for date in (unit.epoch, epoch)
                )
                warn_of_result(
                    f"{KEY}: the times of the sensors count {here}, those of the data {there}; "
                    "they are taken to count from the same moment. State a reference date in both "
                    "files (the attribute units, 'seconds since …')"
                )
            return unit, 0.0
        if not epoch:
            return unit, 0.0
        try:
            return unit, shift_of_epoch(unit.epoch, unit.calendar, epoch, calendar)
        except ValueError as error:
            raise ConfigError(f"{KEY}: {error}") from None

    def length_scale(self, axis: str, attrs: Attributes) -> float:
        """Factor from positions along an axis to the data's unit of length.

        Raises:
            ConfigError: naming both units, if one cannot be converted to the other.
        """
        own, unit = unit_text(attrs.get("units")), self._units.length
        if not own or not unit or own == unit:
            return 1.0
        if not (is_length(own) and is_length(unit)):
            raise ConfigError(
                f"{KEY}: the positions {axis} are in {own!r}, the axes of the data in {unit!r}; "
                "state both in units of length"
            )
        return linear_map(own, unit)[0]

    def readings(
        self, layout: FieldLayout, attrs: Sequence[Attributes], values: np.ndarray
    ) -> np.ndarray:
        """Readings ``[..., C]`` in the data's unit and direction.

        Raises:
            ConfigError: naming both units, if one cannot be converted to the other.
        """
        values = values.copy()
        for channel in range(values.shape[-1]):
            own = attrs[min(channel, len(attrs) - 1)]
            scale, offset = self._map(layout.name, own)
            values[..., channel] = values[..., channel] * scale + offset
            if self._turns(layout, channel, own):
                values[..., channel] *= -1
        return values

    def _map(self, name: str, attrs: Attributes) -> tuple[float, float]:
        own, unit = unit_text(attrs.get("units")), self._units.of(name)
        source = {each: (there, here) for each, there, here in self._units.converted}
        if not own and name in source:
            raise ConfigError(
                f"{KEY}: {name}: no unit, and the data are converted from {source[name][0]!r} to "
                f"{source[name][1]!r}; add the attribute units"
            )
        if not own or not unit:
            return 1.0, 0.0
        try:
            return linear_map(own, unit)
        except ValueError as error:
            raise ConfigError(f"{KEY}: {name}: {error}; mend the attribute units") from None

    def _turns(self, layout: FieldLayout, channel: int, attrs: Attributes) -> bool:
        """True if a component changes sign; by default as in the data."""
        vertical = self._units.vertical
        if layout.name not in self._units.directed:
            return False
        if layout.components and layout.components[channel] != (vertical or "z"):
            return False
        stated = component_direction(attrs)
        if stated and vertical:
            return stated != DOWN
        return layout.name in self._units.turned
