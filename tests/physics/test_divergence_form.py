"""Advection in divergence form: order, conservation, and the flux form between both forms."""

from math import pi

import numpy as np
import pytest
import torch
from phi.torch.flow import channel, math, spatial

from hybrid_pde.domain.grid import ZERO_GRADIENT, Grid
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.numerics.divergence_form import DivergenceForm
from hybrid_pde.numerics.finite_difference import FiniteDifference
from tests.physics.periodic_box import coordinates, periodic_grid

LENGTHS = (0.7, 1.3)


@pytest.fixture(autouse=True)
def double_precision():
    with math.precision(64):
        yield


def _flow(points: int) -> tuple[Grid, math.Tensor, math.Tensor, torch.Tensor]:
    """Grid, velocity with divergence, field, and (v·∇)u."""
    grid = periodic_grid((points, points + 8), LENGTHS)
    x, y = coordinates(grid)
    k, m = 2 * pi / LENGTHS[0], 2 * pi / LENGTHS[1]
    vx, vy, u = 1 + torch.sin(k * x) + 0 * y, torch.cos(m * y) + 0 * x, torch.sin(k * x + m * y)
    exact = (k * vx + m * vy) * torch.cos(k * x + m * y)
    axes = spatial("x,y")
    parts = [math.wrap(each, axes) for each in (vx, vy)]
    return grid, math.stack(parts, channel(vector="x,y")), math.wrap(u, axes), exact


def _largest(values: math.Tensor) -> float:
    return float(values.native(values.shape).abs().max())


def test_it_converges_with_the_order_of_the_differences() -> None:
    errors = []
    for points in (32, 64):
        grid, velocity, u, exact = _flow(points)
        found = DivergenceForm(grid, 2).advect(velocity, u).native("x,y")
        errors.append(float((found - exact).abs().max()))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)


def test_the_mean_of_both_forms_is_the_flux_of_the_burgers_equation() -> None:
    grid = periodic_grid((24,), (0.7,))
    (x,) = coordinates(grid)
    u = math.wrap(1 + torch.sin(2 * pi * x / 0.7), spatial("x"))
    both = [kind(grid, 2).advect(u, u) for kind in (FiniteDifference, DivergenceForm)]
    flux = FiniteDifference(grid, 2).gradient(u * u / 2, "x")
    mean = (both[0] + both[1]) / 2
    assert _largest(mean - flux) < 1e-12 < _largest(both[0] - flux)


def test_a_uniform_velocity_has_one_form_only() -> None:
    grid, _, u, _ = _flow(16)
    uniform = math.wrap([0.3, -0.5], channel(vector="x,y"))
    both = [kind(grid, 2).advect(uniform, u) for kind in (FiniteDifference, DivergenceForm)]
    assert _largest(both[0] - both[1]) == 0.0


def test_walls_are_refused() -> None:
    walls = ((ZERO_GRADIENT, ZERO_GRADIENT),)
    grid = Grid(("x",), (16,), (0.0,), (1.0,), walls, (False,))
    form = Discretization("finite_difference", 2, divergence_form=True)
    assert "periodic" in (form.incompatibility(grid) or "")
