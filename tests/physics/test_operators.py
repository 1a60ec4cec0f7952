"""Derivatives against closed forms, in boxes with unequal spacings different from 1."""

from math import pi

import numpy as np
import pytest
import torch
from phi.torch.flow import math

from hybrid_pde.data.field_conversion import to_values
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.numerics.discretization import CANDIDATES, Discretization
from tests.physics.periodic_box import coordinates, periodic_grid

BOXES = {
    1: ((36,), (0.7,)),
    2: ((36, 25), (0.7, 3.0)),
    3: ((16, 12, 15), (0.7, 3.0, 1.9)),
}


@pytest.fixture(autouse=True)
def double_precision():
    with math.precision(64):
        yield


def wave(grid: Grid, modes: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """U = sin(k·x + 0.3), its x derivative, and its Laplacian."""
    k = [2 * pi * m / upper for m, upper in zip(modes, grid.upper, strict=True)]
    phase = sum(a * x for a, x in zip(k, coordinates(grid), strict=True)) + 0.3
    laplacian = -sum(a**2 for a in k) * torch.sin(phase)
    return torch.sin(phase), k[0] * torch.cos(phase), laplacian


def derivatives(scheme: Discretization, grid: Grid, u: torch.Tensor) -> list[torch.Tensor]:
    operators = scheme.operators(grid)
    values = to_values(u[None], grid, FieldLayout("u"))
    return [
        result.native([*grid.axes])
        for result in (operators.gradient(values, "x"), operators.laplacian(values))
    ]


@pytest.mark.parametrize("scheme", CANDIDATES, ids=lambda scheme: scheme.label)
def test_eigenvalues_bound_the_operators(scheme):
    grid = periodic_grid((24,), (0.7,))
    columns = [derivatives(scheme, grid, unit) for unit in torch.eye(24, dtype=torch.float64)]
    first = np.linalg.eigvals(torch.stack([c[0] for c in columns]).numpy().T)
    second = np.linalg.eigvals(torch.stack([c[1] for c in columns]).numpy().T)
    dx, operators = grid.spacing[0], scheme.operators(grid)
    assert 0.8 < np.abs(first).max() * dx / operators.eigenvalue(1) <= 1 + 1e-9
    # The bound includes the flux form of the second derivative, which has larger eigenvalues.
    assert 0.7 < np.abs(second).max() * dx**2 / operators.eigenvalue(2) <= 1 + 1e-9


@pytest.mark.parametrize("scheme", CANDIDATES, ids=lambda scheme: scheme.label)
def test_advection_of_vectors(scheme):
    grid = periodic_grid((40, 54), (0.7, 3.0))
    x, y = coordinates(grid)
    kx, ky = 2 * pi / 0.7, 2 * pi / 3.0
    u, v = torch.sin(kx * x), torch.cos(ky * y + kx * x)
    exact = torch.stack(
        [
            u * kx * torch.cos(kx * x),
            -(u * kx + v * ky) * torch.sin(ky * y + kx * x),
        ]
    )
    values = to_values(torch.stack([u, v]), grid, FieldLayout("u", ("x", "y")))
    found = scheme.operators(grid).advect(values, values).native(["vector", "x", "y"])
    # Second order: (k dx)²/6 = 0.004 of each derivative.
    tolerance = {2: 0.006, 4: 3e-5, 6: 3e-7, None: 1e-12}[scheme.order]
    assert (found - exact).abs().max() < tolerance * exact.abs().max()


def test_too_small_grids_are_refused():
    with pytest.raises(ConfigError, match=r"order 6 of it needs more than 6 points"):
        Discretization(order=6).operators(periodic_grid((16, 6), (1.0, 1.0)))
