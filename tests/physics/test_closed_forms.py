"""Rollouts of every equation against exact solutions."""

from math import cosh, exp, pi

import pytest
import torch

from src.models.physical.advection_diffusion import AdvectionDiffusionPDE
from src.models.physical.allen_cahn import AllenCahnPDE
from src.models.physical.burgers import BurgersPDE
from src.models.physical.physical_model import PhysicalModel
from src.numerics.discretization import CANDIDATES, Discretization
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

BOXES = {1: ((40,), (0.7,)), 2: ((40, 28), (0.7, 1.3)), 3: ((20, 16, 18), (0.7, 1.3, 0.9))}
TOLERANCE = {2: 2e-2, 4: 1e-3, 6: 1e-4, None: 1e-4}  # of the amplitude, time stepping included


def rollout(model: PhysicalModel, u: torch.Tensor, grid, steps: int, dt: float) -> torch.Tensor:
    *_, last = model.rollout(u, grid, steps, dt)
    return last


def cole_hopf(x: torch.Tensor, length: float, viscosity: float, time: float) -> torch.Tensor:
    """U = −2ν φ_x/φ with φ = 1.5 + exp(−νk²t) cos kx, which solves the heat equation."""
    k = 2 * pi / length
    decay = exp(-viscosity * k**2 * time)
    return 2 * viscosity * k * decay * torch.sin(k * x) / (1.5 + decay * torch.cos(k * x))


@pytest.mark.parametrize("scheme", CANDIDATES, ids=lambda scheme: scheme.label)
@pytest.mark.parametrize("dims", BOXES)
def test_burgers_against_cole_hopf(scheme, dims):
    grid = periodic_grid((64, 10, 8)[:dims], (0.7, 1.3, 0.9)[:dims])
    x = coordinates(grid)[0]
    model = BurgersPDE(physical_config("BurgersPDE", {"viscosity": 0.02}))
    model.discretization = scheme
    zeros = [torch.zeros_like(x)] * (dims - 1)
    start = torch.stack([cole_hopf(x, 0.7, 0.02, 0.0), *zeros])
    last = rollout(model, start, grid, 3, 0.1)
    exact = torch.stack([cole_hopf(x, 0.7, 0.02, 0.3), *zeros])
    assert (exact - start).abs().max() > 0.3 * start.abs().max()
    tolerance = {2: 1e-2, 4: 2e-3, 6: 3e-4, None: 1e-5}[scheme.order]
    assert (last - exact).abs().max() < tolerance * start.abs().max()


def test_burgers_advection_coefficient_scales_velocity():
    # w = a u turns u_t + a u u_x = ν u_xx into Burgers' equation with a = 1.
    grid = periodic_grid((64,), (0.7,))
    x = coordinates(grid)[0]
    model = BurgersPDE(physical_config("BurgersPDE", {"viscosity": 0.02, "advection": 2.0}))
    last = rollout(model, cole_hopf(x, 0.7, 0.02, 0.0)[None] / 2, grid, 3, 0.1)
    exact = cole_hopf(x, 0.7, 0.02, 0.3)[None] / 2
    assert (last - exact).abs().max() < 2e-3 * exact.abs().max()


@pytest.mark.parametrize("scheme", CANDIDATES, ids=lambda scheme: scheme.label)
@pytest.mark.parametrize("dims", BOXES)
def test_advection_diffusion_of_a_wave(scheme, dims):
    grid = periodic_grid(*BOXES[dims])
    velocity, modes = (0.6, -0.9, 0.4)[:dims], (1, -1, 1)[:dims]
    k = [2 * pi * m / upper for m, upper in zip(modes, grid.upper, strict=True)]
    model = AdvectionDiffusionPDE(
        physical_config("AdvectionDiffusionPDE", {"diffusivity": 0.004, "velocity": list(velocity)})
    )
    model.discretization = scheme

    def exact(time: float) -> torch.Tensor:
        moved = [a * (x - v * time) for a, x, v in zip(k, coordinates(grid), velocity, strict=True)]
        decay = exp(-0.004 * sum(a**2 for a in k) * time)
        return 0.5 + decay * torch.sin(sum(moved))[None]

    last = rollout(model, exact(0.0), grid, 2, 0.1)
    assert (exact(0.2) - exact(0.0)).abs().max() > 0.5
    # 16 points a wave in 3D instead of 28 or 40 cost a factor up to (28/16)^order.
    slack = 3.0 if dims == 3 else 1.0
    assert (last - exact(0.2)).abs().max() < slack * TOLERANCE[scheme.order]


def test_advection_diffusion_of_a_gaussian():
    grid = periodic_grid((64, 60), (2.0, 3.0))
    x, y = coordinates(grid)
    model = AdvectionDiffusionPDE(
        physical_config("AdvectionDiffusionPDE", {"diffusivity": 0.02, "velocity": [0.5, -0.4]})
    )

    def exact(time: float) -> torch.Tensor:
        width = 0.02 + 2 * 0.02 * time
        square = (x - 0.8 - 0.5 * time) ** 2 + (y - 1.7 + 0.4 * time) ** 2
        return 0.02 / width * torch.exp(-square / (2 * width))[None]

    last = rollout(model, exact(0.0), grid, 5, 0.1)
    assert (last - exact(0.5)).abs().max() < 2e-3
    assert float(last.sum()) == pytest.approx(float(exact(0.0).sum()), rel=1e-12)


@pytest.mark.parametrize("dims", BOXES)
def test_allen_cahn_of_a_homogeneous_state(dims):
    grid = periodic_grid(*BOXES[dims])
    model = AllenCahnPDE(
        physical_config("AllenCahnPDE", {"diffusivity": 1e-3, "reaction_rate": 3.0})
    )
    last = rollout(model, torch.full((1, *grid.shape), 0.2), grid, 4, 0.1)
    growth = exp(3.0 * 0.4)  # u/√(1 − u²) grows as exp(rt)
    start = 0.2 / (1 - 0.2**2) ** 0.5
    exact = start * growth / (1 + (start * growth) ** 2) ** 0.5
    # r dt = 0.3 a step of the fourth order
    torch.testing.assert_close(last, torch.full_like(last, exact), rtol=1e-4, atol=0)


def test_allen_cahn_walls_stand_still():
    # tanh((x − x₀)/√(2D/r)) is stationary; two walls 1 apart touch by exp(−1·√(2r/D)) = 1e-10.
    grid = periodic_grid((200,), (2.0,))
    x = coordinates(grid)[0]
    model = AllenCahnPDE(
        physical_config("AllenCahnPDE", {"diffusivity": 2e-3, "reaction_rate": 0.5})
    )
    width = (2 * 2e-3 / 0.5) ** 0.5
    wall = torch.tanh((x - 0.5) / width) * torch.tanh((1.5 - x) / width)
    last = rollout(model, wall[None], grid, 5, 0.5)
    assert (last - wall).abs().max() < 5e-4
    assert wall.min() < -0.99 and cosh(0.5 / width) > 100


def test_allen_cahn_travelling_wave():
    # The wall between u = 0 and u = 1, u = ½(1 − tanh((x − x₀ − st)/√(8D/r))), runs into u = 0 at
    # the speed s = 3√(rD/2).
    diffusivity, rate = 2e-3, 2.0
    grid = periodic_grid((320,), (4.0,))
    x = coordinates(grid)[0]
    width, speed = (8 * diffusivity / rate) ** 0.5, 3 * (rate * diffusivity / 2) ** 0.5

    def exact(time: float) -> torch.Tensor:
        right = 0.5 * (1 - torch.tanh((x - 2.5 - speed * time) / width))
        left = 0.5 * (1 + torch.tanh((x - 1.5 + speed * time) / width))
        return (right * left)[None]

    model = AllenCahnPDE(
        physical_config("AllenCahnPDE", {"diffusivity": diffusivity, "reaction_rate": rate})
    )
    last = rollout(model, exact(0.0), grid, 5, 0.4)
    assert (exact(2.0) - exact(0.0)).abs().max() > 0.5
    assert (last - exact(2.0)).abs().max() < 2e-3


@pytest.mark.parametrize("order", [2, 4, 6])
def test_rollouts_converge_at_the_stated_order(order):
    errors = []
    for n in (32, 64):
        grid = periodic_grid((n,), (0.7,))
        x = coordinates(grid)[0]
        config = physical_config("BurgersPDE", {"viscosity": 0.02}, numerics={"substeps": 64})
        model = BurgersPDE(config)
        model.discretization = Discretization(order=order)
        last = rollout(model, cole_hopf(x, 0.7, 0.02, 0.0)[None], grid, 1, 0.1)
        errors.append(float((last - cole_hopf(x, 0.7, 0.02, 0.1)[None]).norm() / n**0.5))
    observed = torch.log2(torch.tensor(errors[0] / errors[1]))
    # Steep parts of the solution are not in the asymptotic range at 32 points.
    assert order - 0.6 < observed < order + 0.6
