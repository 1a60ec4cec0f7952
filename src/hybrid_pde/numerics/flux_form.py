"""Diffusion with a diffusivity that differs from point to point, in flux form.

The flux κ ∂u/∂x is formed at the faces halfway between neighbouring points and its difference
taken back to the points, so that what leaves one cell enters the next. Tensors have named
dimensions: any batch and channel dimensions, spatial ones x, y, z.

Source: Fornberg and Ghrist (1999), SIAM Journal on Numerical Analysis 37, 105-130 (staggered
differences).
"""

import numpy as np
from phi.torch.flow import math, spatial

from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, Grid, Side
from hybrid_pde.numerics.ghost_points import extend, rules_of
from hybrid_pde.numerics.stencils import GhostRule, polynomial_ghosts, staggered_weights

# Polynomials undershoot at a jump, and run away beyond a wall; a negative diffusivity there makes
# modes grow. A face keeps this share of the smaller neighbour's diffusivity at least, and a ghost
# stays within it of the nearest point's; a resolved field does so by itself.
_SHARE = 0.5


def flux_divergence(
    grid: Grid, axis: str, order: int, diffusivity: math.Tensor, padded: math.Tensor
) -> math.Tensor:
    """∂/∂x (κ ∂u/∂x) along one axis; order 2 is the finite-volume scheme with the mean κ.

    Σu is conserved on a periodic axis, and between walls with zero slope: their flux is zero, and
    odd about them (points on the walls count half in the sum). Diffusion itself makes it so up to
    its third derivative, hence order 4 at those walls, also of the sixth-order scheme (measured:
    4.0); a source with a slope there makes it order 2, the price of an exact sum. Everywhere else
    the order is the stated one.

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
    """Σ w_j (u_{i+j+½} ± u_{i−j−½}) at every place that has all its neighbours."""
    reach = len(weights)
    count = u.shape.get_size(axis) - 2 * reach + 1
    total = 0.0
    for j, weight in enumerate(weights):
        right = u[{axis: slice(reach + j, reach + j + count)}]
        left = u[{axis: slice(reach - 1 - j, reach - 1 - j + count)}]
        total = (right - left if sign < 0 else right + left) * float(weight) + total
    return total


def _at_faces(grid: Grid, axis: str, order: int, diffusivity: math.Tensor) -> math.Tensor:
    """κ at all faces, those before the first and behind the last point included."""
    reach = order // 2
    padded = _extrapolated(grid, axis, reach, diffusivity, 1)
    if order > 2:
        nearest, points = padded, grid.shape[grid.axes.index(axis)]
        padded = _extrapolated(grid, axis, reach, diffusivity, order)
        bounded = math.maximum(_SHARE * nearest, math.minimum(padded, nearest / _SHARE))
        inside = np.pad(np.full(points, True), reach)
        padded = math.where(math.wrap(inside, spatial(axis)), padded, bounded)
    found = _staggered(padded, axis, staggered_weights(order, 0), 1.0)
    if order == 2:
        return found
    count = found.shape.get_size(axis)
    left = padded[{axis: slice(reach - 1, reach - 1 + count)}]
    right = padded[{axis: slice(reach, reach + count)}]
    return math.maximum(found, _SHARE * math.minimum(left, right))


def _extrapolated(
    grid: Grid, axis: str, width: int, u: math.Tensor, num_points: int
) -> math.Tensor:
    """Ghosts on the polynomial through the outermost points, whatever the wall's condition."""

    def choose(side: Side, on_wall: bool) -> GhostRule:
        return polynomial_ghosts(width, 0.0, num_points, None)

    return extend(u, axis, rules_of(grid, axis, choose, width))


def _with_outer_faces(grid: Grid, axis: str, reach: int, flux: math.Tensor) -> math.Tensor:
    """The flux at ``reach`` faces on either side of every point, from that at the n + 1 faces."""
    index = grid.axes.index(axis)
    sides, on_wall = grid.boundary[index], grid.nodes_on_boundary[index]
    if PERIODIC in sides:
        before, behind = flux[{axis: slice(-reach, -1)}], flux[{axis: slice(1, reach)}]
        return math.concat([before, flux, behind], axis) if reach > 1 else flux
    # Faces beyond the outermost point are replaced, but for that on a wall with a given value.
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
    # The first of them lies on the wall.
    return GhostRule(-np.eye(count, max(count - 1, 1), k=-1), np.zeros(count))
