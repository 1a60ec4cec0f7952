"""Derivatives against closed forms, on boxes with unequal spacings that are not 1."""

from math import pi

import numpy as np
import pytest
import torch
from phi.torch.flow import math

from src.data.fields import to_values
from src.data.grid import FieldLayout, Grid
from src.errors import ConfigError
from src.numerics import spectral
from src.numerics.discretization import CANDIDATES, Discretization
from tests.physics.periodic_box import coordinates, periodic_grid

BOXES = {
    1: ((36,), (0.7,)),
    2: ((36, 25), (0.7, 3.0)),
    3: ((16, 12, 15), (0.7, 3.0, 1.9)),
}
SPECTRAL = Discretization("spectral", None)


@pytest.fixture(autouse=True)
def double_precision():
    with math.precision(64):
        yield


def wave(grid: Grid, modes: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """U = sin(k·x + 0.3), its derivative by x, and its Laplacian."""
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


@pytest.mark.parametrize("dims", BOXES)
@pytest.mark.parametrize("largest_matrix", [1, 256])
def test_spectral_derivatives_are_exact(dims, largest_matrix, monkeypatch):
    monkeypatch.setattr(spectral, "LARGEST_MATRIX", largest_matrix)
    grid = periodic_grid(*BOXES[dims])
    u, gradient, laplacian = wave(grid, (5, 3, 2)[:dims])
    found = derivatives(SPECTRAL, grid, u)
    torch.testing.assert_close(found[0], gradient, rtol=0, atol=1e-11 * gradient.abs().max())
    torch.testing.assert_close(found[1], laplacian, rtol=0, atol=1e-11 * laplacian.abs().max())


@pytest.mark.parametrize("largest_matrix", [1, 256])
def test_spectral_nyquist_mode(largest_matrix, monkeypatch):
    monkeypatch.setattr(spectral, "LARGEST_MATRIX", largest_matrix)
    grid = periodic_grid((16,), (0.7,))
    u = torch.tensor([1.0, -1.0] * 8, dtype=torch.float64)
    gradient, laplacian = derivatives(SPECTRAL, grid, u)
    assert gradient.abs().max() < 1e-10
    torch.testing.assert_close(laplacian, -((pi * 16 / 0.7) ** 2) * u)


@pytest.mark.parametrize("dims", BOXES)
@pytest.mark.parametrize("order", [2, 4, 6])
def test_finite_differences_have_the_stated_order(dims, order):
    errors = []
    for factor in (2, 4):
        shape = tuple(n * factor for n in ((16,), (14, 10), (10, 8, 7))[dims - 1])
        grid = periodic_grid(shape, BOXES[dims][1])
        u, *exact = wave(grid, (1, -1, 1)[:dims])
        found = derivatives(Discretization(order=order), grid, u)
        errors.append([float((a - b).abs().max()) for a, b in zip(found, exact, strict=True)])
    for coarse, fine in zip(*errors, strict=True):
        assert abs(np.log2(coarse / fine) - order) < 0.2


@pytest.mark.parametrize("scheme", CANDIDATES, ids=lambda scheme: scheme.label)
def test_eigenvalues_bound_the_operators(scheme):
    grid = periodic_grid((24,), (0.7,))
    columns = [derivatives(scheme, grid, unit) for unit in torch.eye(24, dtype=torch.float64)]
    first = np.linalg.eigvals(torch.stack([c[0] for c in columns]).numpy().T)
    second = np.linalg.eigvals(torch.stack([c[1] for c in columns]).numpy().T)
    dx, operators = grid.spacing[0], scheme.operators(grid)
    assert 0.8 < np.abs(first).max() * dx / operators.first_eigenvalue <= 1 + 1e-9
    assert np.abs(second).max() * dx**2 == pytest.approx(operators.second_eigenvalue)


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


def test_dealiasing_keeps_products_from_folding_back():
    n = 30
    grid = periodic_grid((n,), (0.7,))
    x = coordinates(grid)[0]
    u = torch.sin(2 * pi * 9 * x / 0.7)  # its product with its derivative is mode 18 > n/2
    values = to_values(u[None], grid, FieldLayout("u", ("x",)))
    found = SPECTRAL.operators(grid).advect(values, values)
    assert found.native(["vector", "x"]).abs().max() < 1e-9
    undealiased = values * SPECTRAL.operators(grid).gradient(values, "x")
    assert undealiased.native(["vector", "x"]).abs().max() > 10


def test_other_boundaries_are_refused():
    grid = Grid(("x",), (16,), (0.0,), (1.0,), (("zero-gradient", 0.0),), (False,))
    with pytest.raises(ConfigError, match=r"data\.boundary.*zero-gradient.*'periodic'"):
        SPECTRAL.operators(grid)


def test_too_small_grids_are_refused():
    with pytest.raises(ConfigError, match=r"numerics\.order: 6 needs more than 6 points"):
        Discretization(order=6).operators(periodic_grid((16, 6), (1.0, 1.0)))
