"""Poisson's equation with central differences on a periodic box, by Fourier transforms.

Tensors have named dimensions: any batch and channel dimensions, spatial ones x, y, z.

Source: Canuto, Hussaini, Quarteroni and Zang (2006), Spectral Methods, section 3.4; LeVeque (2007),
Finite Difference Methods for ODEs and PDEs, section 3.7 (with the symbols of differences).
"""

from functools import lru_cache

import numpy as np
from phi.torch.flow import math, spatial

from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.numerics.fourier_transform import to_modes, to_values
from hybrid_pde.numerics.stencils import central_weights


def inverse_laplacian(u: math.Tensor, grid: Grid, order: int) -> math.Tensor:
    """The solution p of ∇²p = u − mean(u) with mean 0.

    Its discrete Laplacian, by central differences, is u − mean(u) to rounding. Linear, and
    differentiable in forward and reverse mode.

    Args:
        u: A field, component by component.
        grid: A grid that is periodic along every axis.
        order: Order of accuracy of the differences, 2, 4 or 6.

    Returns:
        A field of the shape of ``u``, in units of ``u`` times length².

    Raises:
        ConfigError: if the grid has walls.
    """
    if not grid.is_periodic:
        sides = dict(zip(grid.axes, map(list, grid.boundary), strict=True))
        raise ConfigError(
            f"operators.inverse_laplacian: data.boundary is {sides}; it needs 'periodic' on every "
            "axis; set is_periodic=True in the equation's EquationSpec to have this checked first"
        )
    sizes = dict(zip(grid.axes, grid.shape, strict=True))
    modes = to_modes(math.expand(u, spatial(**sizes)))
    return to_values(modes * math.to_float(_inverse_symbol(grid, order)), sizes)


@lru_cache(maxsize=32)
def _inverse_symbol(grid: Grid, order: int) -> math.Tensor:
    """1 / Σ_axes (w₀ + 2 Σ_j w_j cos(j k dx)) / dx² over the modes, 0 for the mean."""
    centre, *outer = central_weights(order, 2)
    lines = []
    for number, (n, dx) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
        angles = 2 * np.pi * np.fft.fftfreq(n)
        if number == len(grid.axes) - 1:
            angles = angles[: n // 2 + 1]  # negative ones along the last axis follow by symmetry
        waves = sum(2 * weight * np.cos(j * angles) for j, weight in enumerate(outer, 1))
        symbol = centre + waves
        symbol[0] = 0.0  # which the weights' sum is up to rounding
        lines.append(symbol / dx**2)
    total = np.sum(np.meshgrid(*lines, indexing="ij"), axis=0)
    total.flat[0] = np.inf
    with math.precision(64):
        return math.wrap(1 / total, spatial(",".join(grid.axes)))
