"""Advection and diffusion of a scalar in uniform flows and in velocity fields."""

from math import cosh, exp, pi, sqrt

import pytest
import torch

from hybrid_pde.domain.grid import Grid
from hybrid_pde.numerics.discretization import Discretization
from tests.physics.domains import points, walled_grid
from tests.physics.periodic_box import coordinates, periodic_grid
from tests.physics.rollouts import (
    DIFFERENCES,
    LABEL,
    SPECTRAL,
    TWO_WALLS,
    final_state,
    has_order_at_walls,
    measured_order,
    model_of,
    rate_of,
    root_mean_square,
)

NAME = "AdvectionDiffusionPDE"
BOXES = {1: ((40,), (0.7,)), 2: ((40, 28), (0.7, 1.3)), 3: ((20, 16, 18), (0.7, 1.3, 0.9))}


def wave(grid: Grid, time: float) -> torch.Tensor:
    """A damped plane wave, oblique in more than one dimension."""
    modes, velocity = (1, -1, 1), (0.6, -0.9, 0.4)
    k = [2 * pi * m / upper for m, upper in zip(modes, grid.upper, strict=False)]
    phase = sum(a * (x - v * time) for a, x, v in zip(k, coordinates(grid), velocity, strict=False))
    return 0.5 + exp(-0.004 * sum(a**2 for a in k) * time) * torch.sin(phase)[None]


@pytest.mark.parametrize("dims", BOXES)
@pytest.mark.parametrize("scheme", [DIFFERENCES[1], SPECTRAL], **LABEL)
def test_wave_in_a_uniform_flow(scheme: Discretization, dims: int) -> None:
    grid = periodic_grid(*BOXES[dims])
    parameters = {"diffusivity": 0.004, "velocity": [0.6, -0.9, 0.4][:dims]}
    model = model_of(NAME, parameters, scheme)
    last = final_state(model, wave(grid, 0.0), grid, 2, 0.1)
    assert (wave(grid, 0.2) - wave(grid, 0.0)).abs().max() > 0.5
    if scheme == SPECTRAL:  # one step of the exponential integrator is exact
        assert model.substeps_used == 1
        assert (last - wave(grid, 0.2)).abs().max() < 1e-13
    else:
        assert (last - wave(grid, 0.2)).abs().max() < (3e-3 if dims == 3 else 1e-3)


def test_gaussian_conserves_its_mass() -> None:
    grid = periodic_grid((64, 60), (2.0, 3.0))
    x, y = coordinates(grid)
    model = model_of(NAME, {"diffusivity": 0.02, "velocity": [0.5, -0.4]})

    def exact(time: float) -> torch.Tensor:
        width = 0.02 + 2 * 0.02 * time
        square = (x - 0.8 - 0.5 * time) ** 2 + (y - 1.7 + 0.4 * time) ** 2
        return 0.02 / width * torch.exp(-square / (2 * width))[None]

    last = final_state(model, exact(0.0), grid, 1, 0.5)
    assert (last - exact(0.5)).abs().max() < 2e-3
    assert float(last.sum()) == pytest.approx(float(exact(0.0).sum()), rel=1e-12)


@pytest.mark.parametrize("scheme", [DIFFERENCES[2], SPECTRAL], **LABEL)
def test_shear_flow_tilts_a_wave(scheme: Discretization) -> None:
    # Without diffusion c(x, y, t) = c₀(x − U(y) t, y).
    grid = periodic_grid((24, 32), (0.7, 1.3))
    x, y = coordinates(grid)
    flow = 0.3 * torch.sin(2 * pi * y / 1.3)
    velocity = torch.stack([flow, torch.zeros_like(flow)])
    model = model_of(NAME, {"diffusivity": 0.0, "velocity": velocity}, scheme)

    def exact(time: float) -> torch.Tensor:
        return torch.sin(2 * pi * (x - flow * time) / 0.7)[None]

    last = final_state(model, exact(0.0), grid, 1, 0.3)
    assert (exact(0.3) - exact(0.0)).abs().max() > 0.7
    # Spectral: the tilted wave beyond the dealiased modes, J_11(0.8), is 1e-12; the rest
    # is the error of the Runge-Kutta method.
    assert (last - exact(0.3)).abs().max() < (2e-4 if scheme == SPECTRAL else 1e-3)


@pytest.mark.parametrize("scheme", [*DIFFERENCES, SPECTRAL], **LABEL)
def test_order_of_the_rate_in_a_field_of_flow(scheme: Discretization) -> None:
    k, m = 2 * pi / 0.7, 2 * pi / 1.3

    def error(n: int) -> float:
        grid = periodic_grid((n, 5 * n // 4), (0.7, 1.3))
        x, y = coordinates(grid)
        c = torch.cos(k * x + m * y)
        flow = torch.stack([torch.sin(m * y), 0.5 + torch.cos(k * x) * torch.sin(m * y)])
        exact = (k * flow[0] + m * flow[1]) * torch.sin(k * x + m * y) - 0.2 * (k**2 + m**2) * c
        model = model_of(NAME, {"diffusivity": 0.2, "velocity": flow}, scheme)
        rate = rate_of(model, {"concentration": c[None]}, grid)["concentration"]
        return root_mean_square(rate - exact)

    if scheme == SPECTRAL:
        assert error(16) < 1e-12
    else:
        assert abs(measured_order(error, 24, 48) - scheme.order) < 0.2


def test_rotating_flow_carries_a_spot_around() -> None:
    # A rotation commutes with ∇²: the spot circles and widens; the walls are 5 widths away.
    grid = walled_grid((40, 44), (2.0, 2.2), 0.0, lower=-1.0)
    x, y = points(grid)
    model = model_of(
        NAME, {"diffusivity": 2e-3, "velocity": torch.stack([-2.0 * y, 2.0 * x])}, DIFFERENCES[2]
    )

    def exact(time: float) -> torch.Tensor:
        angle = torch.tensor(2.0 * time, dtype=torch.float64)
        square = (x - 0.3 * torch.cos(angle)) ** 2 + (y - 0.3 * torch.sin(angle)) ** 2
        width = 0.02 + 2 * 2e-3 * time
        return 0.02 / width * torch.exp(-square / (2 * width))[None]

    last = final_state(model, exact(0.0), grid, 1, 0.8)
    assert (exact(0.8) - exact(0.0)).abs().max() > 0.9
    assert (last - exact(0.8)).abs().max() < 2e-3


@pytest.mark.parametrize(("scheme", "nodes"), TWO_WALLS, **LABEL)
def test_order_in_a_flow_out_of_a_box(scheme: Discretization, nodes: bool) -> None:
    # With h = cosh(bx), hence h″ = b² h, and v = −2D (ln h)′: c h obeys the heat equation with the
    # loss D b², and so does its mode sin(πx/L) between walls where c = 0.
    diffusivity, b, length = 0.05, 2.0, 0.7

    def exact(x: torch.Tensor, time: float) -> torch.Tensor:
        decay = exp(-diffusivity * ((pi / length) ** 2 + b**2) * time)
        return (decay * torch.sin(pi * x / length) / torch.cosh(b * x))[None]

    def error(n: int) -> float:
        grid = walled_grid((n + nodes,), (length,), 0.0, nodes)
        (x,) = points(grid)
        velocity = -2 * diffusivity * b * torch.tanh(b * x)[None]
        model = model_of(NAME, {"diffusivity": diffusivity, "velocity": velocity}, scheme)
        last = final_state(model, exact(x, 0.0), grid, 1, 0.5)
        return root_mean_square(last - exact(x, 0.5))

    assert cosh(b * length) > 2 and sqrt(diffusivity * 0.5) > 0.1
    assert has_order_at_walls(measured_order(error, 16, 32), scheme.order)


@pytest.mark.parametrize("scheme", [DIFFERENCES[1], SPECTRAL], **LABEL)
def test_source_and_decay_of_a_uniform_concentration(scheme: Discretization) -> None:
    # c = s/λ + (c₀ − s/λ) exp(−λt), in a uniform flow
    grid = periodic_grid((8,), (0.7,))
    given = {"diffusivity": 0.01, "velocity": 0.5, "source": 0.6, "decay": 1.5}
    start = torch.full((1, 8), 0.1, dtype=torch.float64)
    last = final_state(model_of(NAME, given, scheme), start, grid, 2, 0.4)
    exact = 0.4 + (0.1 - 0.4) * exp(-1.5 * 0.8)
    # exact by the exponential integrator; Runge-Kutta: (λ dt)⁵/120 per step
    tolerance = 1e-12 if scheme == SPECTRAL else 1e-4
    torch.testing.assert_close(last, torch.full_like(last, exact), rtol=0, atol=tolerance)


def test_order_of_a_steady_plume() -> None:
    # a source that balances advection, diffusion and decay of c = sin(kx + my)
    k, m, flow = 2 * pi / 0.7, -2 * pi / 1.3, (0.5, -0.3)

    def error(n: int) -> float:
        grid = periodic_grid((n, 5 * n // 4), (0.7, 1.3))
        x, y = coordinates(grid)
        c, slope = torch.sin(k * x + m * y), torch.cos(k * x + m * y)
        source = (k * flow[0] + m * flow[1]) * slope + (0.02 * (k**2 + m**2) + 0.4) * c
        given = {"diffusivity": 0.02, "velocity": list(flow), "source": source, "decay": 0.4}
        model = model_of(NAME, given, DIFFERENCES[1])
        return root_mean_square(rate_of(model, {"concentration": c[None]}, grid)["concentration"])

    assert error(24) < 0.05
    assert abs(measured_order(error, 24, 48) - 4) < 0.2
