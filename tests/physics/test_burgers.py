"""Burgers' equation against Cole-Hopf solutions, with and without a potential.

u = −(2ν/a) ∇ln ψ solves u_t + a (u·∇)u = ν ∇²u − ∇φ where ψ_t = ν ∇²ψ + a φ ψ/(2ν).
"""

from math import exp, pi

import pytest
import torch

from hybrid_pde.domain.grid import Grid
from hybrid_pde.numerics.discretization import Discretization
from tests.physics.domains import points, walled_grid
from tests.physics.periodic_box import periodic_grid
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

BOXES = {1: ((40,), (0.7,)), 2: ((40, 28), (0.7, 1.3)), 3: ((20, 12, 10), (0.7, 1.3, 0.9))}
NU = 0.02


def cole_hopf(grid: Grid, time: float, advection: float = 1.0) -> torch.Tensor:
    """Without a potential: ψ = 2 + exp(−ν|k|²t) Π cos(k_i x_i + θ_i), one wave per axis."""
    places = points(grid)
    waves = [2 * pi / length for length in grid.upper]
    phases = [k * x + 0.4 * i for i, (k, x) in enumerate(zip(waves, places, strict=True))]
    decay = exp(-NU * sum(k**2 for k in waves) * time)
    cosines = [torch.cos(phase) for phase in phases]
    psi = 2 + decay * torch.stack(cosines).prod(0)
    components = []
    for axis, k in enumerate(waves):
        rest = [c for i, c in enumerate(cosines) if i != axis]
        slope = -k * decay * torch.sin(phases[axis])
        for factor in rest:
            slope = slope * factor
        components.append(-2 * NU / advection * slope / psi)
    return torch.stack(components)


@pytest.mark.parametrize("dims", BOXES)
@pytest.mark.parametrize("scheme", [DIFFERENCES[1], SPECTRAL], **LABEL)
def test_cole_hopf(scheme: Discretization, dims: int) -> None:
    grid = periodic_grid(*BOXES[dims])
    start, exact = cole_hopf(grid, 0.0), cole_hopf(grid, 0.3)
    model = model_of("BurgersPDE", {"viscosity": NU}, scheme, substeps=30)
    last = final_state(model, start, grid, 2, 0.15)
    assert (exact - start).abs().max() > 0.3 * start.abs().max()
    # 30 time steps per frame; the 3D box resolves three harmonics, which fall as 0.27^n.
    tolerance = 1e-3 if dims == 3 else 1e-7
    if scheme != SPECTRAL:
        tolerance = 3e-3  # 10 points per wavelength in 3D
    assert (last - exact).abs().max() < tolerance * start.abs().max()


def test_advection_coefficient() -> None:
    grid = periodic_grid((48,), (0.7,))
    model = model_of("BurgersPDE", {"viscosity": NU, "advection": 2.5}, SPECTRAL, substeps=8)
    last = final_state(model, cole_hopf(grid, 0.0, 2.5), grid, 2, 0.1)
    exact = cole_hopf(grid, 0.2, 2.5)
    assert (last - exact).abs().max() < 1e-6 * exact.abs().max()


@pytest.mark.parametrize("scheme", DIFFERENCES, **LABEL)
def test_order_of_the_rate(scheme: Discretization) -> None:
    model = model_of("BurgersPDE", {"viscosity": NU, "advection": 1.3}, scheme)

    def error(n: int) -> float:
        grid = periodic_grid((n, 3 * n // 4), (0.7, 1.3))
        state, dt = cole_hopf(grid, 0.1, 1.3), 1e-4
        sides = [cole_hopf(grid, 0.1 + t, 1.3) for t in (-2 * dt, -dt, dt, 2 * dt)]
        exact = (sides[0] - 8 * sides[1] + 8 * sides[2] - sides[3]) / (12 * dt)
        return root_mean_square(rate_of(model, {"velocity": state}, grid)["velocity"] - exact)

    assert abs(measured_order(error, 64, 96) - scheme.order) < 0.2


def held(grid: Grid, advection: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A flow u = ∇S and the potential ν ∇²S − a |∇S|²/2, which keeps it stationary.

    S = Σ A_i cos(k_i x_i + θ_i) with one wavelength along each axis.
    """
    slopes, curvature = [], torch.zeros(grid.shape, dtype=torch.float64)
    for axis, x in enumerate(points(grid)):
        k, amplitude = 2 * pi / grid.upper[axis], 0.01 * (axis + 1)
        slopes.append(-amplitude * k * torch.sin(k * x + 0.7 * axis))
        curvature = curvature - amplitude * k**2 * torch.cos(k * x + 0.7 * axis)
    flow = torch.stack(slopes)
    return flow, NU * curvature - advection * flow.square().sum(0) / 2


@pytest.mark.parametrize("scheme", [DIFFERENCES[1], SPECTRAL], **LABEL)
def test_potential_drives_a_fluid_at_rest_to_the_steady_flow(scheme: Discretization) -> None:
    def error(n: int) -> float:
        grid = periodic_grid((n,), (0.7,))
        flow, potential = held(grid, 1.5)
        parameters = {"viscosity": NU, "advection": 1.5, "potential": potential}
        model = model_of("BurgersPDE", parameters, scheme)
        # The slowest deviation decays as exp(−νk²t) or faster: by 1e-11 in that time.
        # Short frames, because nothing limits the exponential integrator's step in a fluid at rest.
        last = final_state(model, torch.zeros_like(flow), grid, 32, 0.5)
        return root_mean_square(last - flow) / root_mean_square(flow)

    if scheme == SPECTRAL:
        assert error(24) < 1e-8
    else:
        assert abs(measured_order(error, 16, 32) - scheme.order) < 0.2


@pytest.mark.parametrize("scheme", [*DIFFERENCES, SPECTRAL], **LABEL)
def test_potential_balances_a_steady_flow_in_2d(scheme: Discretization) -> None:
    def error(n: int) -> float:
        grid = periodic_grid((n, 3 * n // 4), (0.7, 1.3))
        flow, potential = held(grid, 1.5)
        parameters = {"viscosity": NU, "advection": 1.5, "potential": potential}
        rate = rate_of(model_of("BurgersPDE", parameters, scheme), {"velocity": flow}, grid)
        return root_mean_square(rate["velocity"])

    if scheme == SPECTRAL:
        assert error(16) < 1e-13
    else:
        assert abs(measured_order(error, 32, 48) - scheme.order) < 0.2


@pytest.mark.parametrize(("scheme", "nodes"), TWO_WALLS, **LABEL)
def test_order_of_a_standing_shock_between_walls(scheme: Discretization, nodes: bool) -> None:
    # ψ = cosh(x/w) exp(νt/w²): u = −(2ν/w) tanh(x/w) at all times.
    width, end = 0.25, 0.5
    wall = -2 * NU / width * torch.tanh(torch.tensor(end / width, dtype=torch.float64)).item()
    sides = {"x": {"lower": -wall, "upper": wall}}

    def error(n: int) -> float:
        grid = walled_grid((n + nodes,), (2 * end,), sides, nodes, lower=-end)
        (x,) = points(grid)
        exact = -2 * NU / width * torch.tanh(x / width)[None]
        last = final_state(model_of("BurgersPDE", {"viscosity": NU}, scheme), exact, grid, 1, 2.0)
        return root_mean_square(last - exact)

    assert has_order_at_walls(measured_order(error, 36, 54), scheme.order)
