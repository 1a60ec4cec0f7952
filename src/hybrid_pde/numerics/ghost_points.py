"""Ghost points beyond the ends of a grid, so that one stencil applies to every point.

Tensors have named dimensions: any batch and channel dimensions, spatial ones x, y, z.
"""

from collections.abc import Callable, Sequence

import numpy as np
from phi.torch.flow import batch, math, spatial

from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, Grid, Side
from hybrid_pde.numerics.stencils import SLOPE, VALUE, GhostRule, mirrored_ghosts, polynomial_ghosts

# Ghost rule for the condition at a wall and whether the nearest point lies on the wall.
Choice = Callable[[Side, bool], GhostRule]


def extend(
    u: math.Tensor,
    axis: str,
    rules: Sequence[GhostRule] | int,
    values: Sequence[math.Tensor | float] = (0.0, 0.0),
) -> math.Tensor:
    """Add ghost points at both ends of one axis of a tensor.

    Args:
        u: Tensor with the dimension ``axis``.
        axis: The axis to extend.
        rules: Ghost rules of the (lower, upper) end; the number of ghost points on a periodic axis.
        values: Prescribed values at the (lower, upper) end.
    """
    u = _ordered(u)
    if isinstance(rules, int):
        head, tail = u[{axis: slice(0, rules)}], u[{axis: slice(-rules, None)}]
        return math.concat([tail, u, head], axis)
    lower, upper = rules
    # Rules count from the wall, outwards for ghosts and inwards for points. This is descending
    # along the axis for ghosts at the lower end and points at the upper end.
    parts = [u]
    if len(lower.weights):
        near = u[{axis: slice(0, lower.num_points)}]
        parts.insert(0, _ghosts(near, axis, lower.weights[::-1], lower.prescribed[::-1], values[0]))
    if len(upper.weights):
        near = u[{axis: slice(-upper.num_points, None)}]
        parts.append(_ghosts(near, axis, upper.weights[:, ::-1], upper.prescribed, values[1]))
    return math.concat(parts, axis, expand_values=True)


def rules_of(grid: Grid, axis: str, choose: Choice, width: int) -> Sequence[GhostRule] | int:
    """The rules for both ends of an axis, or the number of ghost points if it is periodic."""
    index = grid.axes.index(axis)
    sides, on_wall = grid.boundary[index], grid.nodes_on_boundary[index]
    if PERIODIC in sides:
        return width
    return [choose(side, on_wall) for side in sides]


def smooth_rule(side: Side, on_wall: bool, width: int, order: int) -> GhostRule:
    """Ghost points on the polynomial through the wall condition and the nearest points.

    Its degree is the lowest one for which the solution of a second-order problem has an error of
    order ``order``: ``order`` − 1 for a prescribed value, where two orders are gained at the wall,
    ``order`` for a prescribed slope, where one is gained. With higher degrees, waves that run into
    a wall grow. If a point lies on the wall, its value is the condition.

    Source: Svärd and Nordström (2006), Journal of Computational Physics 218, 333-352.
    """
    first = 0.0 if on_wall else 0.5
    if side == ZERO_GRADIENT:
        return polynomial_ghosts(width, first, order, SLOPE)
    if on_wall:
        return polynomial_ghosts(width, first, order, None)
    return polynomial_ghosts(width, first, order - 1, VALUE)


def mirror_rule(side: Side, on_wall: bool, width: int) -> GhostRule:
    """Ghost points mirrored oddly about a prescribed value, evenly at zero slope."""
    return mirrored_ghosts(width, on_wall, side != ZERO_GRADIENT)


def _ghosts(
    near: math.Tensor,
    axis: str,
    weights: np.ndarray,
    prescribed: np.ndarray,
    value: math.Tensor | float,
) -> math.Tensor:
    """Ghost points from the points next to a wall and its prescribed value."""
    row, column = batch(row=len(weights)), batch(column=weights.shape[1])
    matrix = math.wrap(np.ascontiguousarray(weights), row & column)
    result = math.rename_dims(math.dot(near, axis, matrix, "column"), "row", spatial(axis))
    if isinstance(value, float | int):
        prescribed, value = prescribed * value, 1.0
    if prescribed.any():
        constant = math.wrap(np.ascontiguousarray(prescribed), spatial(axis))
        result = result + (constant if isinstance(value, float) else constant * value)
    return _ordered(result, near.shape.spatial.names)


def _ordered(u: math.Tensor, axes: Sequence[str] = ()) -> math.Tensor:
    """The tensor with its dimensions in memory order: batch, channel, spatial.

    Concatenation uses the dimension order of the first tensor. Sums and matrix products permute
    dimensions; without this call all later operations would be strided.
    """
    names = [*u.shape.batch.names, *u.shape.channel.names, *(axes or u.shape.spatial.names)]
    return math.reshaped_tensor(u.native(names), [u.shape[name] for name in names])
