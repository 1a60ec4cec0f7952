"""Divergence at the corners between grid points, built from one-dimensional operators."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from phi.torch.flow import math, spatial

from hybrid_pde.domain.grid import Grid
from hybrid_pde.numerics.corner_operators import line_operators
from hybrid_pde.numerics.projection import multiply_along


def corner_divergence(
    v: math.Tensor, grid: Grid, wall_values: Mapping[str, math.Tensor] | None = None
) -> math.Tensor:
    """Σ_i ∂v_i/∂x_i, each term a difference along axis i, averaged along the other axes.

    Corners on a wall, where half of the surrounding cell lies outside, have half the divergence.

    Args:
        v: Velocity.
        grid: Its grid, not periodic along every axis.
        wall_values: Velocity at sides with a fixed value, by ``boundary.<axis>.<side>``; 0 for
            sides that are not listed.
    """
    lines = {axis: line_operators(grid, position) for position, axis in enumerate(grid.axes)}
    total: Any = 0.0
    for normal in grid.axes:
        component = multiply_along(lines[normal].difference, v.vector[normal], normal)
        for side, column in lines[normal].outside.items():
            value = (wall_values or {}).get(f"boundary.{normal}.{side}", 0.0)
            if isinstance(value, math.Tensor) and "vector" in value.shape:
                value = value.vector[normal]
            component = component + math.wrap(np.asarray(column), spatial(normal)) * value
        for axis in grid.axes:
            if axis != normal:
                component = multiply_along(lines[axis].mean, component, axis)
        total = total + component
    return total
