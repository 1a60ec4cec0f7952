"""Diffusion with a spatially varying diffusivity, in flux form.

The flux κ ∂u/∂x is evaluated at the faces halfway between neighbouring points; its difference gives
the divergence at the points, so the scheme is conservative. Tensors have named dimensions: any
batch and channel dimensions, spatial ones x, y, z.

Source: Fornberg and Ghrist (1999), SIAM Journal on Numerical Analysis 37, 105-130 (staggered
differences).
"""

import numpy as np
from phi.torch.flow import math, spatial

from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, Grid, Side
from hybrid_pde.numerics.ghost_points import extend, rules_of
from hybrid_pde.numerics.stencils import GhostRule, polynomial_ghosts, staggered_weights

# Polynomials undershoot at a jump and may diverge beyond a wall; a negative diffusivity is
# unstable. The diffusivity of a face is at least this share of the smaller neighbour, and a ghost
# point stays within this factor of the nearest point. Resolved fields are not affected.
_SMALLEST_FRACTION = 0.5


def flux_divergence(
    grid: Grid, axis: str, order: int, diffusivity: math.Tensor, padded: math.Tensor
) -> math.Tensor:
    """∂/∂x (κ ∂u/∂x) along one axis; order 2 is the finite-volume scheme with the mean κ.

    Σu is conserved on a periodic axis and between walls of zero slope, whose flux is zero (points
    on walls count half in the sum). There the flux is extended as an odd function, which is exact
    up to the third derivative of u for pure diffusion: the sixth-order scheme is of order 4 at such
    walls (measured: 4.0), and of order 2 if a source has a slope there. Elsewhere the order is the
    stated one.

    Args:
        grid: Grid and boundary conditions.
        axis: The axis x.
        order: 2, 4 or 6.
        diffusivity: κ >= 0, a field.
        padded: u with ``order / 2`` ghost points at either end of the axis.
    """
    reach, dx = order // 2, grid.spacing[grid.axes.index(axis)]
    weights = staggered_weights(order, 1)
    slopes = _staggered(padded, axis, weights / dx, -1.0)
    flux = _at_faces(grid, axis, order, diffusivity) * slopes
    faces = _with_outer_faces(grid, axis, reach, flux)
    return _staggered(faces, axis, weights / dx, -1.0)


def _staggered(u: math.Tensor, axis: str, weights: np.ndarray, sign: float) -> math.Tensor:
    """Σ w_j (u_{i+j+½} ± u_{i−j−½}) wherever all neighbours exist."""
    reach = len(weights)
    count = u.shape.get_size(axis) - 2 * reach + 1
    total = 0.0
    for j, weight in enumerate(weights):
        right = u[{axis: slice(reach + j, reach + j + count)}]
        left = u[{axis: slice(reach - 1 - j, reach - 1 - j + count)}]
        total = (right - left if sign < 0 else right + left) * float(weight) + total
    return total


def _at_faces(grid: Grid, axis: str, order: int, diffusivity: math.Tensor) -> math.Tensor:
    """κ at all faces, including those outside the first and the last point."""
    reach = order // 2
    padded = _extrapolated(grid, axis, reach, diffusivity, 1)
    if order > 2:
        nearest, points = padded, grid.shape[grid.axes.index(axis)]
        padded = _extrapolated(grid, axis, reach, diffusivity, order)
        bounded = math.maximum(
            _SMALLEST_FRACTION * nearest, math.minimum(padded, nearest / _SMALLEST_FRACTION)
        )
        inside = np.pad(np.full(points, True), reach)
        padded = math.where(math.wrap(inside, spatial(axis)), padded, bounded)
    found = _staggered(padded, axis, staggered_weights(order, 0), 1.0)
    if order == 2:
        return found
    count = found.shape.get_size(axis)
    left = padded[{axis: slice(reach - 1, reach - 1 + count)}]
    right = padded[{axis: slice(reach, reach + count)}]
    return math.maximum(found, _SMALLEST_FRACTION * math.minimum(left, right))


def _extrapolated(
    grid: Grid, axis: str, width: int, u: math.Tensor, num_points: int
) -> math.Tensor:
    """Ghost points on the polynomial through the outermost points, for any wall condition."""

    def choose(side: Side, on_wall: bool) -> GhostRule:
        return polynomial_ghosts(width, 0.0, num_points, None)

    return extend(u, axis, rules_of(grid, axis, choose, width))


def _with_outer_faces(grid: Grid, axis: str, reach: int, flux: math.Tensor) -> math.Tensor:
    """The flux at ``reach`` faces on either side of every point, from the n + 1 inner faces."""
    index = grid.axes.index(axis)
    sides, on_wall = grid.boundary[index], grid.nodes_on_boundary[index]
    if PERIODIC in sides:
        before, behind = flux[{axis: slice(-reach, -1)}], flux[{axis: slice(1, reach)}]
        return math.concat([before, flux, behind], axis) if reach > 1 else flux
    # Faces beyond the outermost point are replaced, except on a wall with a prescribed value.
    replaced = [int(on_wall or side == ZERO_GRADIENT) for side in sides]
    rules = [
        _outer_faces(side, on_wall, reach - 1 + drop, 2 * reach)
        for side, drop in zip(sides, replaced, strict=True)
    ]
    kept = slice(replaced[0], flux.shape.get_size(axis) - replaced[1])
    return extend(flux[{axis: kept}], axis, rules)


def _outer_faces(side: Side, on_wall: bool, count: int, order: int) -> GhostRule:
    if side != ZERO_GRADIENT:
        return polynomial_ghosts(count, 0.0, order - 1, None)
    if on_wall:
        return GhostRule(-np.eye(count), np.zeros(count))
    # The first face lies on the wall.
    return GhostRule(-np.eye(count, max(count - 1, 1), k=-1), np.zeros(count))
