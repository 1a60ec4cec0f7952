"""Shallow water: waves, conservation, order, walls of the equation."""

from math import pi, sqrt

import pytest
import torch

from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError, DivergenceError
from hybrid_pde.numerics.discretization import Discretization
from tests.physics.domains import points, walled_grid
from tests.physics.periodic_box import periodic_grid
from tests.physics.rollouts import (
    DIFFERENCES,
    LABEL,
    SPECTRAL,
    final_state,
    measured_order,
    model_of,
    rate_of,
    root_mean_square,
)

NAME = "ShallowWaterPDE"
LENGTHS = (0.7, 1.3)
K, M = 2 * pi / 0.7, 2 * pi / 1.3
State = dict[str, torch.Tensor]


def flow(grid: Grid) -> State:
    """Waves of half the depth with a rotation, in one or two dimensions."""
    x, *rest = points(grid)
    y = rest[0] if rest else torch.zeros_like(x)
    height = 1.0 + 0.3 * torch.cos(K * x) * torch.cos(M * y) + 0.2 * torch.sin(K * x)
    velocity = [0.2 + 0.4 * torch.sin(K * x + M * y), 0.3 * torch.cos(2 * M * y) * torch.sin(K * x)]
    return {"height": height[None], "velocity": torch.stack(velocity[: len(grid.axes)])}


@pytest.mark.parametrize("scheme", [*DIFFERENCES, SPECTRAL], **LABEL)
@pytest.mark.parametrize("dims", [1, 2])
def test_the_rate_conserves_mass_and_energy(scheme: Discretization, dims: int) -> None:
    """d/dt Σ h and d/dt Σ (h u²/2 + g h²/2 + g h z), to rounding."""
    grid = periodic_grid((14, 11)[:dims], LENGTHS[:dims])
    bottom = 0.2 * torch.cos(K * points(grid)[0])
    state = flow(grid)
    h, u = state["height"][0], state["velocity"]
    rate = rate_of(model_of(NAME, {"gravity": 2.0, "bottom": bottom}, scheme), state, grid)
    change = rate["height"][0]
    power = (u.square().sum(0) / 2 + 2.0 * (h + bottom)) * change
    power = power + h * (u * rate["velocity"]).sum(0)
    assert change.abs().max() > 1 and power.abs().max() > 1
    assert abs(float(change.sum())) < 1e-12
    assert abs(float(power.sum())) < 1e-11


def test_energy_error_is_that_of_the_time_steps() -> None:
    grid = periodic_grid((24,), (0.7,))

    def energy(state: State) -> float:
        h = state["height"]
        return float((h * state["velocity"].square() / 2 + h.square()).sum())

    start = flow(grid)
    start["height"] = 1 + 0.2 * (start["height"] - 1)
    errors = []
    for substeps in (6, 12):
        model = model_of(NAME, {"gravity": 2.0}, substeps=substeps)
        last = final_state(model, start, grid, 1, 0.1)
        assert float(last["height"].sum() / start["height"].sum()) == pytest.approx(1, rel=1e-14)
        errors.append(abs(energy(last) / energy(start) - 1))
    assert (last["height"] - start["height"]).abs().max() > 0.05
    assert errors[0] < 1e-3 and errors[0] / errors[1] > 12


@pytest.mark.parametrize("scheme", [*DIFFERENCES, SPECTRAL], **LABEL)
def test_order_of_the_rate(scheme: Discretization) -> None:
    """Against derivatives by automatic differentiation, with bottom, viscosity and drag."""
    gravity, viscosity, drag = 2.0, 0.05, 0.3

    def fields(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        h = 1.0 + 0.3 * torch.cos(K * x) * torch.cos(M * y)
        u, v = 0.4 * torch.sin(K * x + M * y), 0.3 * torch.cos(M * y)
        return h, u, v, 0.2 * torch.sin(M * y)

    def slopes(value: torch.Tensor, at: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(value.sum(), at, create_graph=True, materialize_grads=True)

    def error(n: int) -> float:
        grid = periodic_grid((n, 3 * n // 2), LENGTHS)
        at = tuple(each.requires_grad_() for each in points(grid))
        h, u, v, z = fields(*at)
        (flux, _), (_, other) = slopes(h * u, at), slopes(h * v, at)
        exact = [-(flux + other)]
        surface = slopes(h + z, at)
        for number, component in enumerate((u, v)):
            along, across = slopes(component, at)
            bending = slopes(along, at)[0] + slopes(across, at)[1]
            force = -u * along - v * across - gravity * surface[number]
            exact.append(force + viscosity * bending - drag * component)
        given = {"gravity": gravity, "viscosity": viscosity, "drag": drag, "bottom": z.detach()}
        state = {"height": h.detach()[None], "velocity": torch.stack([u, v]).detach()}
        rate = rate_of(model_of(NAME, given, scheme), state, grid)
        found = torch.cat([rate["height"], rate["velocity"]])
        return root_mean_square(found - torch.stack(exact).detach())

    if scheme == SPECTRAL:
        assert error(16) < 1e-11
    else:
        assert abs(measured_order(error, 24, 48) - scheme.order) < 0.2


def test_small_waves_move_with_the_speed_of_gravity_waves() -> None:
    """√(g h) relative to a uniform flow, obliquely to the axes."""
    grid, depth, size = periodic_grid((24, 20), LENGTHS), 0.8, 1e-6
    x, y = points(grid)
    speed, wavenumber = sqrt(2.0 * depth), sqrt(K**2 + M**2)

    def exact(time: float) -> State:
        phase = K * (x - 0.3 * time) + M * (y + 0.2 * time) - speed * wavenumber * time
        wave = size * torch.cos(phase)
        along = speed / depth * wave / wavenumber
        return {
            "height": (depth + wave)[None],
            "velocity": torch.stack([0.3 + K * along, -0.2 + M * along]),
        }

    model = model_of(NAME, {"gravity": 2.0}, SPECTRAL, substeps=20)
    last = final_state(model, exact(0.0), grid, 1, 0.25)
    for role, u in exact(0.25).items():
        assert (u - exact(0.0)[role]).abs().max() > 0.8 * size
        # the second order of the amplitude is 1e-6, time steps add 1e-5
        assert (last[role] - u).abs().max() < 1e-4 * size


def test_a_lake_at_rest_stays_at_rest() -> None:
    grid = periodic_grid((12, 10), LENGTHS)
    bottom = 0.3 * torch.cos(K * points(grid)[0])
    state = {"height": (1.0 - bottom)[None], "velocity": torch.zeros(2, 12, 10).double()}
    rate = rate_of(model_of(NAME, {"gravity": 9.81, "bottom": bottom}), state, grid)
    assert max(float(each.abs().max()) for each in rate.values()) < 1e-12


def test_time_step_follows_the_fastest_wave() -> None:
    grid = periodic_grid((16,), (0.7,))
    model, steps = model_of(NAME, {"gravity": 100.0}), []
    for depth in (1.0, 4.0):
        state = {"height": torch.full((1, 16), depth), "velocity": torch.full((1, 16), 0.1)}
        final_state(model, state, grid, 1, 0.1)
        steps.append(model.substeps_used)
    assert steps[0] > 5 and 2 * steps[0] - 2 <= steps[1] <= 2 * steps[0]


def test_negative_depths_have_no_solution() -> None:
    grid = periodic_grid((16,), (0.7,))
    state = {**flow(grid), "height": torch.cos(K * points(grid)[0])[None]}
    with pytest.raises(DivergenceError, match="ShallowWaterPDE: frame 1 .* stable step nan"):
        final_state(model_of(NAME, {"gravity": 1.0}), state, grid, 1, 0.1)


def test_viscosity_does_not_limit_the_spectral_scheme() -> None:
    grid = periodic_grid((16,), (0.7,))
    model = model_of(NAME, {"gravity": 1.0, "viscosity": 10.0}, SPECTRAL)
    final_state(model, flow(grid), grid, 1, 0.01)
    assert model.substeps_used < 5


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (walled_grid((12, 12), LENGTHS, 0.0), "needs 'periodic' on every axis, data.boundary has"),
        (periodic_grid((8, 8, 8), (1.0, 1.0, 1.0)), "the data have 3 axes.*needs 1 or 2"),
    ],
)
def test_other_domains_are_rejected(grid: Grid, message: str) -> None:
    zero = torch.zeros(1, *grid.shape)
    state = {"height": 1 + zero, "velocity": torch.cat([zero] * len(grid.axes))}
    with pytest.raises(ConfigError, match=f"ShallowWaterPDE: .*{message}"):
        final_state(model_of(NAME, {"gravity": 1.0}), state, grid, 1, 0.1)
