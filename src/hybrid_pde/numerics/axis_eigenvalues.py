"""Largest eigenvalues of central differences along an axis, for the stability limit.

Interior: the Fourier symbol of the stencil on an infinite line. Walls: numerical eigenvalues of the
operator on a line with the boundary closures.
"""

from collections.abc import Callable
from functools import lru_cache
from math import pi

import numpy as np
from phi.torch.flow import batch, math, spatial

from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.numerics.operators import Operators
from hybrid_pde.numerics.stencils import central_weights, staggered_weights

# Longer lines have the eigenvalues of an infinite line and of the ends.
_LONGEST_LINE = 48


def largest_eigenvalue(
    scheme: Callable[[Grid, int], Operators], grid: Grid, accuracy: int, order: int
) -> float:
    """Largest |λ| dxⁿ of the derivative of order n along any axis.

    The second derivative includes the flux form; the fourth includes the product of two second
    derivatives, as in the mixed derivatives of ∇⁴.

    Args:
        scheme: Factory of the operators on a grid, with an order of accuracy.
        grid: The grid; prescribed values at walls have no influence.
        accuracy: Order of accuracy of the differences.
        order: Order n of the derivative.
    """
    sizes = []
    for n, sides, on_wall in zip(grid.shape, grid.boundary, grid.nodes_on_boundary, strict=True):
        points = min(n, _LONGEST_LINE)
        lower, upper = (side if isinstance(side, str) else 0.0 for side in sides)
        ends = ((lower, upper),)
        line = Grid(("x",), (points,), (0.0,), (float(points - on_wall),), ends, (on_wall,))
        sizes.append(_of_line(scheme, line, accuracy, order))
    return max(sizes)


@lru_cache
def _of_line(
    scheme: Callable[[Grid, int], Operators], line: Grid, accuracy: int, order: int
) -> float:
    found = [_largest_symbol(central_weights(accuracy, order), odd=order % 2 == 1)]
    if order == 2:
        # Flux form, for the shortest wave: the weights alternate in sign, as it does.
        found.append((2 * float(np.abs(staggered_weights(accuracy, 1)).sum())) ** 2)
    if order == 4:
        found.append(_of_line(scheme, line, accuracy, 2) ** 2)
    if PERIODIC in line.boundary[0]:
        return max(found)
    operators = scheme(line, accuracy)
    with math.precision(64):
        unit = math.wrap(np.eye(line.shape[0]), batch("column") & spatial("x"))
        rates = [operators.derivative(unit, "x", order)]
        if order == 2:
            rates.append(operators.diffuse(math.ones(spatial(x=line.shape[0])), unit))
        for rate in rates:
            matrix = operators.hold(rate, {}).numpy(["x", "column"])
            found.append(float(np.abs(np.linalg.eigvals(matrix)).max()))
    return max(found)


def _largest_symbol(weights: np.ndarray, odd: bool) -> float:
    """Largest |eigenvalue| of a central difference on an infinite line of spacing 1."""
    angles = np.linspace(0.0, pi, 2001)
    wave = np.sin if odd else np.cos
    outer = sum(2 * weight * wave(j * angles) for j, weight in enumerate(weights[1:], 1))
    return float(np.max(np.abs(weights[0] + outer)))
