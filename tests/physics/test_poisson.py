"""Poisson's equation on a periodic box."""

from math import pi

import pytest
import torch
from phi.torch.flow import math, spatial

from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.numerics.discretization import Discretization
from tests.physics.domains import points, walled_grid
from tests.physics.periodic_box import periodic_grid
from tests.physics.rollouts import DIFFERENCES, LABEL, SPECTRAL, measured_order, root_mean_square


def inverse(u: torch.Tensor, grid: Grid, scheme: Discretization, *, back: bool) -> torch.Tensor:
    """∇⁻²u, or ∇²∇⁻²u."""
    with math.precision(64):
        operators = scheme.operators(grid)
        p = operators.inverse_laplacian(math.wrap(u, spatial(",".join(grid.axes))))
        return (operators.laplacian(p) if back else p).native(grid.axes)


@pytest.mark.parametrize("shape", [(9,), (12, 9), (9, 12), (7, 8, 9)])
@pytest.mark.parametrize("scheme", [*DIFFERENCES, SPECTRAL, Discretization("weno", None)], **LABEL)
def test_is_the_inverse_of_the_laplacian(scheme: Discretization, shape: tuple[int, ...]) -> None:
    grid = periodic_grid(shape, (0.7, 1.3, 0.9)[: len(shape)])
    u = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = inverse(u, grid, scheme, back=True)
    torch.testing.assert_close(found, u - u.mean(), rtol=0, atol=1e-11)
    assert abs(float(inverse(u, grid, scheme, back=False).mean())) < 1e-14


@pytest.mark.parametrize("scheme", DIFFERENCES, **LABEL)
def test_order_of_the_solution(scheme: Discretization) -> None:
    k, m = 2 * pi / 0.7, 4 * pi / 1.3

    def error(n: int) -> float:
        grid = periodic_grid((n, 3 * n // 2), (0.7, 1.3))
        x, y = points(grid)
        wave = torch.cos(k * x - m * y)
        found = inverse(-(k**2 + m**2) * wave + 0.3, grid, scheme, back=False)
        return root_mean_square(found - wave)

    assert abs(measured_order(error, 16, 32) - scheme.order) < 0.2


def test_walls_are_rejected() -> None:
    grid = walled_grid((12, 9), (0.7, 1.3), {"x": "periodic", "y": 0.0})
    with pytest.raises(ConfigError, match=r"inverse_laplacian: data\.boundary .*'periodic' on ev"):
        inverse(torch.zeros(12, 9), grid, DIFFERENCES[1], back=False)
