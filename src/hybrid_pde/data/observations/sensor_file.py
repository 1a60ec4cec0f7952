"""NetCDF files of sensor readings: meaning of their variables, and decoded values.

Layout: ``K`` reading times, ``S`` sensors, ``C`` vector components in ascending order.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.observations.sensor_units import KEY, SensorUnits
from hybrid_pde.data.raw_files.blocks import decode
from hybrid_pde.data.raw_files.dimension_roles import (
    component_dim,
    dimension_roles,
    field_sources,
    field_variables,
)
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import ConfigError, RawDataError

SENSOR = "sensor"


class SensorFile:
    """The readings of one simulation in an open file; errors lack the file's name.

    Args:
        dataset: The file, not decoded.
        layouts: The fields that can be measured.
        axes: The spatial axes.
        data: Names of variables, dimensions and the unit of time.
        simulation: Index of the simulation.
        units: The system that the data are in; ``None`` leaves the file's numbers as they are.

    Raises:
        ConfigError: if a dimension, the positions, or readings of the simulation are missing, a
            variable is unknown, or a vector has other components than in the data.
    """

    def __init__(
        self,
        dataset: xr.Dataset,
        layouts: Sequence[FieldLayout],
        axes: Sequence[str],
        data: DataParams,
        simulation: int,
        units: StatedUnits | None = None,
    ) -> None:
        self._units = SensorUnits(units or StatedUnits(), data)

        self._roles = dimension_roles(dataset, data.dims)
        self._layouts = {layout.name: layout for layout in layouts}
        self._time, self._dataset = self._simulation(dataset, simulation)
        found = {layout.name: self._variables(layout.name, data) for layout in layouts}
        self._check_names(found, axes)
        measured = [name for name, variables in found.items() if variables]
        wanted = data.model_copy(update={"fields": measured})
        sources = field_sources(self._dataset, self._roles, axes, wanted)
        self._sources = {source.layout.name: source for source in sources}
        for source in sources:
            _check_components(source.layout, self._layouts[source.layout.name])

    @property
    def measured(self) -> list[str]:
        """Names of the measured fields."""
        return list(self._sources)

    @property
    def num_sensors(self) -> int:
        """Number of sensors."""
        return int(self._dataset.sizes[SENSOR])

    def times(self) -> np.ndarray:
        """Times of the readings ``[K]`` [time]."""
        if self._time not in self._dataset.variables:
            raise ConfigError(f"{KEY}: the dimension {self._time!r} has no coordinate variable")
        unit, shift = self._units.time(self._dataset[self._time].attrs)
        return self._read(self._time, (self._time,)) * unit.scale + shift

    def positions(self, axis: str) -> np.ndarray:
        """Positions along an axis [length], ``[K, S]``, or ``[S]`` for fixed sensors."""
        is_fixed = self._dataset[axis].dims == (SENSOR,)
        places = self._read(axis, (SENSOR,) if is_fixed else (self._time, SENSOR))
        return places * self._units.length_scale(axis, self._dataset[axis].attrs)

    def values(self, name: str) -> np.ndarray:
        """Readings of a field, ``[K, S]``, or ``[K, S, C]`` for a vector; NaN where there is none.

        Raises:
            RawDataError: if one is infinite.
        """
        source, dims = self._sources[name], (self._time, SENSOR)
        component = component_dim(self._dataset, self._roles, source.variables[0])
        if component is None:
            values = np.stack([self._read(variable, dims) for variable in source.variables], -1)
        else:
            values = self._read(source.variables[0], (*dims, component))[..., list(source.order)]
        if np.isinf(values).any():
            raise RawDataError(f"{name}: holds values that are not finite")
        attrs = [self._dataset[variable].attrs for variable in source.variables]
        values = self._units.readings(self._layouts[name], attrs, values)
        return values if self._layouts[name].components else values[..., 0]

    def _simulation(self, dataset: xr.Dataset, simulation: int) -> tuple[str, xr.Dataset]:
        """The time dimension, and the part of the file that belongs to the simulation."""
        dims = {role: dim for dim, role in self._roles.items()}
        if SENSOR not in dataset.dims or "time" not in dims:
            has = ", ".join(map(str, dataset.dims)) or "none"
            raise ConfigError(f"{KEY}: needs the dimensions 'time' and {SENSOR!r}, and has {has}")
        sample = dims.get("sample")
        held = dataset.sizes[sample] if sample else 1
        if simulation >= held:
            raise ConfigError(
                f"{KEY}: no readings of simulation {simulation}; the file holds those of the first "
                f"{held}, one for each place along a dimension 'sample'"
            )
        return dims["time"], dataset.isel({sample: simulation}) if sample else dataset

    def _variables(self, name: str, data: DataParams) -> list[str]:
        """Variables of a field; empty if the file lacks it."""
        try:
            return field_variables(self._dataset, name, data)
        except RawDataError:
            return []

    def _check_names(self, found: Mapping[str, Sequence[str]], axes: Sequence[str]) -> None:
        """Reject a file without positions, or with unknown variables that may be fields."""
        for axis in axes:
            if axis not in self._dataset.variables:
                raise ConfigError(
                    f"{KEY}: no positions along {axis}; the file needs {axis}(time, sensor), or "
                    f"{axis}(sensor) for sensors that stay in place"
                )
        known = {variable for variables in found.values() for variable in variables}
        absent = [name for name, variables in found.items() if not variables]
        unknown = [
            str(name)
            for name, variable in self._dataset.data_vars.items()
            if {self._time, SENSOR} <= set(variable.dims) and name not in {*known, *axes}
        ]
        # A field may be unmeasured; a misspelt one must not be ignored.
        if absent and (unknown or not known):
            raise ConfigError(
                f"{KEY}: no variable {absent[0]!r}, but {', '.join(unknown) or 'no readings'}; "
                "if the names differ, set data.variables: "
                f"{{{absent[0]}: …}}, and remove variables that are not fields"
            )

    def _read(self, name: str, dims: Sequence[str]) -> np.ndarray:
        """A variable's decoded values with its dimensions in the order given."""
        variable = self._dataset[name]
        if set(variable.dims) != set(dims):
            raise ConfigError(
                f"{KEY}: {name}({', '.join(map(str, variable.dims))}): needs the dimensions "
                f"{', '.join(dims)}"
            )
        return decode(variable.transpose(*dims).variable.load()).astype(np.float64)


def _check_components(held: FieldLayout, expected: FieldLayout) -> None:
    # in one dimension a vector may be written without an axis for its one component
    if held.channels == expected.channels and (
        held.channels == 1 or held.components == expected.components
    ):
        return
    raise ConfigError(
        f"{KEY}: {held.name}: has the components {list(held.components)}, and in the data "
        f"{list(expected.components)}"
    )
