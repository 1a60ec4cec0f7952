"""Conversion between native velocities at cell centres and PhiFlow's staggered grids.

Layout: ``B`` windows or simulations, ``C`` channels, ``X Y Z`` space; a native tensor is
``[B, C, X, Y, Z]`` or ``[C, X, Y, Z]`` with the axes that the grid has.

PhiFlow stores only faces with values that the boundary does not fix: along a periodic axis all
lower faces, at zero gradient also both walls, at a fixed value neither wall.
"""

import torch
from phi.torch.flow import Box, Field, StaggeredGrid, batch, dual, extrapolation, math, spatial

from hybrid_pde.data.staggered_velocity import Staggering
from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.errors import ConfigError

_BATCH = "window"
# flow through a wall that counts as rounding in single precision, relative to the largest velocity
_ROUNDING = 1e-5


def from_staggered(field: Field, grid: Grid) -> torch.Tensor:
    """The velocity of a staggered grid at the cell centres, ``[(B,) C, *space]``.

    :class:`hybrid_pde.data.staggered_velocity.Staggering` says which modes the centres represent.

    Raises:
        ConfigError: if the velocity has a component through a wall.
    """
    batched = _BATCH in field.values.shape
    lead = [_BATCH] if batched else []
    faces = []
    for axis in grid.axes:
        component = torch.as_tensor(field.values[{"~vector": axis}].native([*lead, *grid.axes]))
        component = component if batched else component.unsqueeze(0)
        faces.append(_lower_faces(component, axis, grid, field.boundary))
    centres = Staggering(grid).to_centres(torch.stack(faces, dim=1))
    return centres if batched else centres[0]


def to_staggered(native: torch.Tensor, grid: Grid, boundary: extrapolation.Extrapolation) -> Field:
    """The inverse of :func:`from_staggered`.

    Args:
        native: Velocity ``[(B,) C, *space]`` at the centres.
        grid: The cells.
        boundary: The grid's boundary as a PhiFlow extrapolation.
    """
    batched = native.ndim == len(grid.axes) + 2
    faces = Staggering(grid).to_faces(native if batched else native.unsqueeze(0))
    components = []
    for number, axis in enumerate(grid.axes):
        lower, upper = boundary.valid_outer_faces(axis)
        component, place = faces[:, number], number + 1
        wall = torch.zeros_like(component.narrow(place, 0, 1))
        parts = [component if lower else component.narrow(place, 1, grid.shape[number] - 1)]
        joined = torch.cat([*parts, *([wall] if upper else [])], dim=place)
        dims = [batch(_BATCH)] if batched else []
        dims += [spatial(name) for name in grid.axes]
        components.append(math.reshaped_tensor(joined if batched else joined[0], dims))
    values = math.stack(components, dual(vector=",".join(grid.axes)))
    ends = zip(grid.axes, grid.lower, grid.upper, strict=True)
    return StaggeredGrid(values, boundary, Box(**{axis: (low, high) for axis, low, high in ends}))


def _lower_faces(
    component: torch.Tensor, axis: str, grid: Grid, boundary: extrapolation.Extrapolation
) -> torch.Tensor:
    """One component on the lower faces of all cells, from the faces that PhiFlow stores."""
    number = grid.axes.index(axis)
    place, sides = number + 1, grid.boundary[number]
    if PERIODIC in sides:
        return component
    kept = zip(("lower", "upper"), sides, boundary.valid_outer_faces(axis), (0, -1), strict=True)
    for side, value, has_face, end in kept:
        largest = float(component.detach().abs().max())
        wall = float(component.detach().select(place, end).abs().max()) if has_face else value
        if not isinstance(wall, str) and abs(wall) > _ROUNDING * largest:
            raise ConfigError(
                f"staggered velocity: flows through the {side} wall of {axis} ({wall:g}); there "
                "must be no flow through walls; give the velocity at cell centres instead"
            )
    lower, _ = boundary.valid_outer_faces(axis)
    wall_face = torch.zeros_like(component.narrow(place, 0, 1))
    inner = component.narrow(place, int(lower), grid.shape[number] - 1)
    return torch.cat([wall_face, inner], dim=place)
