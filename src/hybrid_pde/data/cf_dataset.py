"""Fields of a simulation as a dataset of xarray, by the CF conventions.

Dimensions are ``time``, ``vector`` for the components of vectors, then x, y, z. The spatial
coordinates have no ``axis`` attribute, because ParaView interprets ``X`` and ``Y`` as longitude and
latitude. The readers of raw files read such datasets.

Source: CF conventions 1.11, https://cfconventions.org.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from hybrid_pde.domain.boundary import boundary_attribute
from hybrid_pde.domain.grid import FieldLayout, Grid, axis_points
from hybrid_pde.domain.stated_units import StatedUnits

CONVENTIONS = "CF-1.11"
_VECTOR_DIMS = ("vector", "component", "channel")  # names that readers know


def cf_dataset(
    fields: Mapping[str, np.ndarray],
    grid: Grid,
    layouts: Sequence[FieldLayout],
    times: np.ndarray,
    units: StatedUnits,
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """A dataset with coordinates, units and attributes.

    Args:
        fields: Values ``[T, C, *space]`` of each field, ``[C, *space]`` of static ones.
        grid: The grid.
        layouts: The fields, in the order of the variables.
        times: Time of each frame [time].
        units: The system that all numbers are in.
        attributes: Global attributes to add, e.g. the model.
    """
    present = [layout for layout in layouts if layout.name in fields]
    kinds = list(dict.fromkeys(layout.components for layout in present if layout.components))
    dims = dict(zip(kinds, _VECTOR_DIMS, strict=False))
    variables = {}
    for layout in present:
        values, names = fields[layout.name], list(grid.axes)
        if layout.components:
            names = [dims[layout.components], *names]
        else:
            values = values[0] if layout.static else values[:, 0]
        names = names if layout.static else ["time", *names]
        attrs = {"long_name": layout.name, **_units(units.of(layout.name))}
        variables[layout.name] = xr.DataArray(values, dims=names, attrs=attrs)
    coordinates: dict[str, xr.DataArray] = {"time": _time(times, units)}
    for components, dim in dims.items():
        labels = {"long_name": "axis of the component"}
        coordinates[dim] = xr.DataArray(np.array(components), dims=dim, attrs=labels)
    for axis, points in axis_points(grid).items():
        attrs = {"long_name": f"position {axis}", **_units(units.length)}
        if axis == units.vertical:
            attrs["positive"] = "down"
        coordinates[axis] = xr.DataArray(points, dims=axis, attrs=attrs)
    fixed = {"Conventions": CONVENTIONS, "boundary": boundary_attribute(grid.axes, grid.boundary)}
    return xr.Dataset(variables, coordinates, {**fixed, **attributes})


def _time(times: np.ndarray, units: StatedUnits) -> xr.DataArray:
    attrs: dict[str, str] = {"axis": "T", "long_name": "time", "standard_name": "time"}
    if units.time and units.epoch:
        attrs |= {"units": f"{units.time} since {units.epoch}"}
        attrs |= {"calendar": units.calendar} if units.calendar else {}
    else:
        attrs |= _units(units.time)
    return xr.DataArray(np.asarray(times, np.float64), dims="time", attrs=attrs)


def _units(unit: str) -> dict[str, str]:
    """The attribute ``units`` of a quantity whose unit is known."""
    return {"units": unit} if unit else {}
