"""Writing of simulations as raw NetCDF files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.data.cache.channel_statistics import lowest_precision
from hybrid_pde.domain.boundary import boundary_attribute
from hybrid_pde.domain.grid import FieldLayout, Grid


def write_raw_file(
    path: Path,
    fields: Mapping[str, np.ndarray],
    grid: Grid,
    layouts: Sequence[FieldLayout],
    dt: float,
    attributes: Mapping[str, str],
    parameters: Mapping[str, float] | None = None,
) -> None:
    """Write one simulation, atomically, in double precision where single loses the variation.

    Args:
        path: File to write.
        fields: ``[time, channel, *space]`` for each field.
        grid: The grid with points at cell centres; its coordinates and boundary are written, too.
        layouts: The fields; a vector is written as one variable with a ``component`` axis.
        dt: Time between frames [time].
        attributes: Global attributes, e.g. the equation.
        parameters: The simulation's own parameters, each written as a variable of one number.
    """
    num_frames = next(iter(fields.values())).shape[0]
    coordinates: dict[str, tuple[str, np.ndarray | list[str]]] = {
        "time": ("time", np.arange(num_frames) * dt)
    }
    for axis, points, lower, spacing in zip(
        grid.axes, grid.shape, grid.lower, grid.spacing, strict=True
    ):
        coordinates[axis] = (axis, lower + (np.arange(points) + 0.5) * spacing)
    variables: dict[str, tuple] = {name: ((), value) for name, value in (parameters or {}).items()}
    for layout in layouts:
        values = fields[layout.name].astype(lowest_precision(fields[layout.name]))
        if layout.components:
            coordinates["component"] = ("component", list(layout.components))
            variables[layout.name] = (("time", "component", *grid.axes), values)
        else:
            variables[layout.name] = (("time", *grid.axes), values[:, 0])
    boundary = boundary_attribute(grid.axes, grid.boundary)
    dataset = xr.Dataset(variables, coordinates, {**attributes, "boundary": boundary})
    with atomic_path(path) as temporary:
        dataset.to_netcdf(temporary, engine="netcdf4", format="NETCDF4")
