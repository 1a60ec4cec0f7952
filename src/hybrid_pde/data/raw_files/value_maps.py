"""Linear maps from a file's values to the data set's units and directions, for each variable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.dimension_roles import (
    FieldSource,
    component_dim,
    component_order,
)
from hybrid_pde.data.raw_files.file_units import IDENTITY, FileUnits
from hybrid_pde.data.raw_files.unit_conversion import linear_map, unit_text
from hybrid_pde.data.raw_files.vertical_directions import (
    DOWN,
    UP,
    axis_direction,
    component_direction,
    is_velocity,
)


@dataclass(frozen=True)
class Vertical:
    """The vertical axis of a grid.

    Attributes:
        axis: Its name; empty without one.
        direction: ``up`` or ``down``; empty if the file does not say.
    """

    axis: str = ""
    direction: str = ""


@dataclass(frozen=True)
class ValueMap:
    """``sign · (scale · value + offset)``.

    Attributes:
        scale: Factor.
        offset: Summand.
        signs: Sign of each position on the variable's component axis; one sign without such an
            axis; empty for 1.
    """

    scale: float = 1.0
    offset: float = 0.0
    signs: tuple[float, ...] = ()

    def apply(self, values: np.ndarray, component_axis: int | None) -> np.ndarray:
        """The mapped values, in the precision of the given ones."""
        if (self.scale, self.offset) != IDENTITY:
            values = values * self.scale + self.offset
        if self.signs and component_axis is None:
            values = values * self.signs[0]
        elif self.signs:
            shape = [-1 if axis == component_axis else 1 for axis in range(values.ndim)]
            values = values * np.array(self.signs, values.dtype).reshape(shape)
        return values


@dataclass(frozen=True)
class ValueMaps:
    """The maps of a file's variables.

    Attributes:
        by_variable: The map of each variable that has one.
        by_attribute: Signs of each known parameter that is a global attribute, likewise.
        turned: Fields and known parameters whose vertical component changes sign.
        directed: Fields and known parameters with a known vertical direction.
        unusable: Reasons why an equation cannot be solved on these numbers.
    """

    by_variable: Mapping[str, ValueMap]
    by_attribute: Mapping[str, tuple[float, ...]]
    turned: tuple[str, ...]
    directed: tuple[str, ...]
    unusable: tuple[str, ...]


def vertical_axis(
    coordinates: Mapping[str, xr.DataArray | None], directions: Mapping[str, str]
) -> Vertical:
    """The vertical axis: the one that states a direction, else z, or the last one if asked for."""
    for axis, coordinate in coordinates.items():
        if coordinate is not None:
            found = axis_direction(str(coordinate.name), coordinate.attrs)
            if found:
                return Vertical(axis, found)
    return Vertical(list(coordinates)[-1]) if directions or "z" in coordinates else Vertical()


def value_maps(
    dataset: xr.Dataset,
    sources: Sequence[FieldSource],
    roles: Mapping[str, str],
    axes: Sequence[str],
    vertical: Vertical,
    units: FileUnits,
    data: DataParams,
) -> ValueMaps:
    """The maps of all fields and known parameters of a file."""
    maps: dict[str, ValueMap] = {}
    attributes: dict[str, tuple[float, ...]] = {}
    turned, directed, unusable = [], [], []
    given = {source.layout.name: source for source in sources}
    for name in (*given, *data.known_parameters):
        variables, components = _variables(dataset, name, given.get(name), roles, axes, data)
        vector = dict(zip(components, range(len(components)), strict=True))
        place = vector.get(vertical.axis) if vector else (0 if len(axes) == 1 else None)
        along = None if not vertical.axis else place
        attrs = [dataset[v].attrs if v else {} for v in variables]
        of_vertical = attrs[along] if along is not None and along < len(attrs) else attrs[0]
        direction = data.directions.get(name, "")
        if not direction and along is not None and (vector or is_velocity(of_vertical)):
            direction = component_direction(of_vertical)
            if direction == DOWN and not vertical.direction:
                unusable.append(
                    f"{name} is positive downwards, and the axis {vertical.axis} does not say in "
                    "which direction it counts; add its attribute positive: up or down"
                )
        flips = bool(direction) and along is not None and direction != (vertical.direction or UP)
        directed += [name] if direction and along is not None else []
        turned += [name] if flips else []
        for number, variable in enumerate(variables):
            signs: tuple[float, ...] = ()
            if flips and (len(variables) == 1 or number == along):
                signs = _signs(dataset, variable, roles, along, len(components))
            if not variable:
                attributes[name] = signs
                continue
            scale, offset = _scale(attrs[number], units, name)
            if signs or (scale, offset) != IDENTITY:
                maps[variable] = ValueMap(scale, offset, signs)
    return ValueMaps(maps, attributes, tuple(turned), tuple(directed), tuple(unusable))


def _variables(
    dataset: xr.Dataset,
    name: str,
    source: FieldSource | None,
    roles: Mapping[str, str],
    axes: Sequence[str],
    data: DataParams,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Variables of a field or known parameter (empty text: an attribute), and its components."""
    if source is not None:
        return source.variables, source.layout.components
    variable = data.known_names[name]
    if variable not in dataset.variables:
        size = np.size(dataset.attrs.get(variable, 0.0))
        return ("",), tuple(axes) if size == len(axes) > 1 else ()
    dim = component_dim(dataset, roles, variable)
    is_vector = dim is not None and dataset.sizes[dim] == len(axes)
    return (variable,), tuple(axes) if is_vector else ()


def _signs(
    dataset: xr.Dataset, variable: str, roles: Mapping[str, str], along: int | None, count: int
) -> tuple[float, ...]:
    """Signs on the variable's component axis, in the file's order."""
    dim = component_dim(dataset, roles, variable) if variable else None
    if dim is None and (variable or count < 2):
        return (-1.0,)
    assert along is not None
    place = along if dim is None else component_order(dataset, dim, dataset.sizes[dim])[along]
    size = count if dim is None else dataset.sizes[dim]
    return tuple(-1.0 if number == place else 1.0 for number in range(size))


def _scale(attrs: Mapping[str, object], units: FileUnits, name: str) -> tuple[float, float]:
    """Scale and offset of one variable of a field; its components may have different units."""
    own, target = unit_text(attrs.get("units")), units.targets.get(name, "")
    if own and target and own != target:
        return linear_map(own, target)
    return IDENTITY if own else units.maps.get(name, IDENTITY)
