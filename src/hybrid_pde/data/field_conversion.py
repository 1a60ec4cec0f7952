"""Conversion between native tensors and PhiFlow fields.

Layout: ``B`` windows or simulations, ``C`` channels, ``X Y Z`` space; a native tensor is
``[B, C, X, Y, Z]`` or ``[C, X, Y, Z]`` with the axes that the grid has.
"""

from dataclasses import fields
from functools import lru_cache
from typing import Any

import torch
from phi.torch.flow import Box, CenteredGrid, Field, batch, channel, extrapolation, math, spatial

from hybrid_pde.data.staggered_conversion import from_staggered
from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, FieldLayout, Grid, Side

BATCH = "window"
_FIELD_ATTRIBUTES = [each.name for each in fields(Field)]
_NODAL = "nodes_on_boundary"


def to_values(native: torch.Tensor, grid: Grid, layout: FieldLayout) -> math.Tensor:
    """A native tensor ``[(B,) C, *space]`` as a PhiML tensor that shares its memory.

    Returns:
        Tensor with the batch dimension ``window`` if there was one, the channel dimension
        ``vector`` for vectors and none for scalars, and the grid's spatial dimensions.
    """
    dims = [batch(BATCH)] if native.ndim == len(grid.axes) + 2 else []
    if layout.components:
        dims.append(channel(vector=",".join(layout.components)))
    else:
        native = native.squeeze(len(dims))
    return math.reshaped_tensor(native, [*dims, *(spatial(axis) for axis in grid.axes)])


def to_native(values: math.Tensor, grid: Grid, layout: FieldLayout) -> torch.Tensor:
    """The inverse of :func:`to_values`: ``[(B,) C, *space]`` with ``B`` for a batch."""
    dims = [BATCH] if BATCH in values.shape else []
    dims.append(values.shape.only("vector") if layout.components else channel(vector=1))
    return values.native([*dims, *grid.axes])


def to_field(native: torch.Tensor, grid: Grid, layout: FieldLayout) -> Field:
    """A native tensor ``[(B,) C, *space]`` as a cell-centred PhiFlow field."""
    box = Box(
        **{
            axis: (lower, upper)
            for axis, lower, upper in zip(grid.axes, *phi_bounds(grid), strict=True)
        }
    )
    # PhiFlow has cell centres only; an attribute of the box marks points on the boundary
    object.__setattr__(box, _NODAL, grid.nodes_on_boundary)
    return CenteredGrid(to_values(native, grid, layout), to_extrapolation(grid), box)


@lru_cache(maxsize=16)
def empty_field(
    shape: tuple[int, ...], dtype: torch.dtype, grid: Grid, layout: FieldLayout
) -> Field:
    """A field of zeros without memory, for :func:`next_frame`; made once for each shape."""
    with math.precision(64 if dtype == torch.float64 else 32):
        return to_field(torch.zeros((), dtype=dtype).expand(shape), grid, layout)


def next_frame(native: torch.Tensor, field: Field, layout: FieldLayout) -> Field:
    """The field :func:`to_field` makes, on the grid of another one; a hundred times as fast.

    Args:
        native: ``[(B,) C, *space]`` of the shape that ``field`` was made from.
        field: A cell-centred field made by :func:`to_field`.
        layout: Layout of both.
    """
    values: Any = field.values
    if not layout.components:
        native = native.squeeze(native.ndim - values.shape.spatial_rank - 1)
    # The constructors check and merge shapes, which are known to be the same.
    frame = object.__new__(Field)
    frame.__dict__.update({name: getattr(field, name) for name in _FIELD_ATTRIBUTES})
    frame.__dict__["values"] = type(values)(native, values._names, values.shape, values._backend)
    return frame


def phi_bounds(grid: Grid) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Ends of the box with the grid's points as cell centres, outer cells included."""
    halves = [
        spacing / 2 if nodes else 0.0
        for spacing, nodes in zip(grid.spacing, grid.nodes_on_boundary, strict=True)
    ]
    lower = tuple(end - half for end, half in zip(grid.lower, halves, strict=True))
    upper = tuple(end + half for end, half in zip(grid.upper, halves, strict=True))
    return lower, upper


def from_field(field: Field, grid: Grid, layout: FieldLayout) -> torch.Tensor:
    """The native tensor ``[(B,) C, *space]`` of a PhiFlow field.

    For a staggered field, the velocity at the cell centres.

    Raises:
        ConfigError: if a staggered velocity has a component through a wall.
    """
    if field.is_staggered:
        return from_staggered(field, grid)
    return to_native(field.values, grid, layout)


def to_extrapolation(grid: Grid) -> extrapolation.Extrapolation:
    """The grid's boundary conditions as a PhiFlow extrapolation."""
    return extrapolation.combine_sides(
        {
            axis: tuple(_side(side) for side in sides)
            for axis, sides in zip(grid.axes, grid.boundary, strict=True)
        }
    )


def grid_of(field: Field) -> Grid:
    """The grid of a field from :func:`to_field`; other fields have points at cell centres."""
    axes = tuple(sorted(field.resolution.names))
    nodal = getattr(field.bounds, _NODAL, (False,) * len(axes))
    shape = tuple(field.resolution.get_size(axis) for axis in axes)
    lower = [float(field.bounds.lower.vector[axis]) for axis in axes]
    upper = [float(field.bounds.upper.vector[axis]) for axis in axes]
    for position, nodes in enumerate(nodal):
        if nodes:  # see phi_bounds: half a cell beyond the boundary on both sides
            half = (upper[position] - lower[position]) / shape[position] / 2
            lower[position], upper[position] = lower[position] + half, upper[position] - half
    return Grid(
        axes=axes,
        shape=shape,
        lower=tuple(lower),
        upper=tuple(upper),
        boundary=tuple(
            (_name(field.boundary, axis, "-"), _name(field.boundary, axis, "+")) for axis in axes
        ),
        nodes_on_boundary=tuple(nodal),
    )


def layout_of(name: str, field: Field) -> FieldLayout:
    """The layout of a dynamic field: a vector if it has a ``vector`` dimension."""
    if field.is_staggered:
        return FieldLayout(name=name, components=tuple(sorted(field.resolution.names)))
    shape = field.values.shape
    components = tuple(shape.get_item_names("vector")) if "vector" in shape else ()
    return FieldLayout(name=name, components=components)


def _side(side: Side) -> extrapolation.Extrapolation:
    named = {PERIODIC: extrapolation.PERIODIC, ZERO_GRADIENT: extrapolation.ZERO_GRADIENT}
    return named[side] if isinstance(side, str) else extrapolation.ConstantExtrapolation(side)


def _name(boundary: extrapolation.Extrapolation, axis: str, side: str) -> Side:
    if boundary == extrapolation.PERIODIC:
        return PERIODIC
    if boundary == extrapolation.ZERO_GRADIENT:
        return ZERO_GRADIENT
    if isinstance(boundary, extrapolation.ConstantExtrapolation):
        return float(boundary.value)
    sides = boundary.to_dict()["dims"]
    return _name(extrapolation.from_dict(sides[axis + side]), axis, side)
