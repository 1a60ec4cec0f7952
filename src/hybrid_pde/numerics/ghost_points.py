"""Points beyond the ends of a grid, so that one stencil serves every point.

Tensors have named dimensions: any batch and channel dimensions, spatial ones x, y, z.
"""

from collections.abc import Callable, Sequence

import numpy as np
from phi.torch.flow import batch, math, spatial

from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, Grid, Side
from hybrid_pde.numerics.stencils import SLOPE, VALUE, GhostRule, mirrored_ghosts, polynomial_ghosts

# Of the condition at a wall and whether the nearest point lies on it.
Choice = Callable[[Side, bool], GhostRule]


def extend(
    u: math.Tensor,
    axis: str,
    rules: Sequence[GhostRule] | int,
    values: Sequence[math.Tensor | float] = (0.0, 0.0),
) -> math.Tensor:
    """A tensor with ghost points before and after its points along one axis.

    Args:
        u: Tensor with the dimension ``axis``.
        axis: Axis that is extended.
        rules: How the ghosts beyond the (lower, upper) end follow; a number of ghosts where the
            axis is periodic.
        values: Prescribed values at the (lower, upper) end.
    """
    u = _ordered(u)
    if isinstance(rules, int):
        head, tail = u[{axis: slice(0, rules)}], u[{axis: slice(-rules, None)}]
        return math.concat([tail, u, head], axis)
    lower, upper = rules
    # Rules count from the wall outwards and inwards; along the axis that is descending for the
    # ghosts below the lower end, and for the points before the upper end.
    parts = [u]
    if len(lower.weights):
        near = u[{axis: slice(0, lower.num_points)}]
        parts.insert(0, _ghosts(near, axis, lower.weights[::-1], lower.prescribed[::-1], values[0]))
    if len(upper.weights):
        near = u[{axis: slice(-upper.num_points, None)}]
        parts.append(_ghosts(near, axis, upper.weights[:, ::-1], upper.prescribed, values[1]))
    return math.concat(parts, axis, expand_values=True)


def rules_of(grid: Grid, axis: str, choose: Choice, width: int) -> Sequence[GhostRule] | int:
    """The rules for both ends of an axis, or the number of ghosts if it is periodic."""
    index = grid.axes.index(axis)
    sides, on_wall = grid.boundary[index], grid.nodes_on_boundary[index]
    if PERIODIC in sides:
        return width
    return [choose(side, on_wall) for side in sides]


def smooth_rule(side: Side, on_wall: bool, width: int, order: int) -> GhostRule:
    """Ghosts on the polynomial through the wall's condition and the nearest points.

    Its degree is the lowest for which the solution of a problem of second order has an error of
    ``order``: one less than that where a value is prescribed, for which two orders are gained at
    the wall; the order itself where the slope is, for which one is gained. Degrees above that make
    waves that run into a wall grow. With a point on the wall the value there is the condition.

    Source: Svärd and Nordström (2006), Journal of Computational Physics 218, 333-352.
    """
    first = 0.0 if on_wall else 0.5
    if side == ZERO_GRADIENT:
        return polynomial_ghosts(width, first, order, SLOPE)
    if on_wall:
        return polynomial_ghosts(width, first, order, None)
    return polynomial_ghosts(width, first, order - 1, VALUE)


def mirror_rule(side: Side, on_wall: bool, width: int) -> GhostRule:
    """Ghosts that mirror the points: oddly about a prescribed value, evenly at zero slope."""
    return mirrored_ghosts(width, on_wall, side != ZERO_GRADIENT)


def _ghosts(
    near: math.Tensor,
    axis: str,
    weights: np.ndarray,
    prescribed: np.ndarray,
    value: math.Tensor | float,
) -> math.Tensor:
    """Ghosts from the points before a wall and the value that is prescribed at it."""
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
    """The tensor as it lies in memory wherever nothing else is asked for.

    Tensors are joined in the order of dimensions that the first of them names; sums name another
    one than they keep, a product the axis of its matrix last, and every operation after it would
    walk through memory with strides.
    """
    names = [*u.shape.batch.names, *u.shape.channel.names, *(axes or u.shape.spatial.names)]
    return math.reshaped_tensor(u.native(names), [u.shape[name] for name in names])
