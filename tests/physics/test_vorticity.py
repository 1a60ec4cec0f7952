"""Plane flow by its vorticity: against velocities, closed forms and a calibration."""

from math import exp, pi
from typing import Any

import pytest
import torch
from phi.torch.flow import math

from hybrid_pde.data.field_conversion import to_values
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical import VorticityPDE
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training.physical import PhysicalTrainer
from tests.gradient.calibration_case import Windows
from tests.physics.domains import points, walled_grid
from tests.physics.periodic_box import periodic_grid, physical_config
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

NAME = "VorticityPDE"
WENO = Discretization("weno", None)
LENGTHS = (0.7, 1.3)
K, M = 2 * pi / 0.7, 2 * pi / 1.3


def two_waves(grid: Grid) -> tuple[torch.Tensor, torch.Tensor]:
    """Vorticity and velocity of ψ = 0.02 cos(Kx) cos(My) + 0.03 sin(2My)."""
    x, y = points(grid)
    first, second = 0.02 * torch.cos(K * x) * torch.cos(M * y), 0.03 * torch.sin(2 * M * y)
    w = (K**2 + M**2) * first + 4 * M**2 * second
    u = -0.02 * M * torch.cos(K * x) * torch.sin(M * y) + 0.06 * M * torch.cos(2 * M * y)
    v = 0.02 * K * torch.sin(K * x) * torch.cos(M * y)
    return w, torch.stack([u, v])


def exact_rate(grid: Grid, viscosity: float) -> torch.Tensor:
    """ν ∇²w − u w_x − v w_y of the two waves."""
    w, (u, v) = two_waves(grid)
    x, y = points(grid)
    first = 0.02 * (K**2 + M**2)
    w_x = -first * K * torch.sin(K * x) * torch.cos(M * y)
    w_y = -first * M * torch.cos(K * x) * torch.sin(M * y)
    w_y = w_y + 0.24 * M**3 * torch.cos(2 * M * y)
    small = first * torch.cos(K * x) * torch.cos(M * y)
    laplacian = -(K**2 + M**2) * small - 4 * M**2 * (w - small)
    return viscosity * laplacian - u * w_x - v * w_y


@pytest.mark.parametrize("scheme", [*DIFFERENCES, WENO, SPECTRAL], **LABEL)
def test_order_of_the_rate(scheme: Discretization) -> None:
    def error(n: int) -> float:
        grid = periodic_grid((n, 3 * n // 2), LENGTHS)
        model = model_of(NAME, {"viscosity": 0.01}, scheme)
        rate = rate_of(model, {"vorticity": two_waves(grid)[0][None]}, grid)["vorticity"][0]
        return root_mean_square(rate - exact_rate(grid, 0.01))

    if scheme == SPECTRAL:
        assert error(16) < 1e-11
    else:
        # WENO: differences of order 4 beside advection of order 5
        assert abs(measured_order(error, 24, 48) - (scheme.order or 4)) < 0.2


def test_agrees_with_velocities() -> None:
    """The curl of a solution of the Navier-Stokes equations, with drag as its own decay."""
    grid, force = periodic_grid((20, 16), LENGTHS), [0.5, 2 * M]
    w, u = two_waves(grid)
    flow = model_of("NavierStokesPDE", {"viscosity": 0.01, "forcing": force}, SPECTRAL, substeps=20)
    last = final_state(flow, u, grid, 1, 0.2)
    with math.precision(64):
        operators = SPECTRAL.operators(grid)
        velocity = to_values(last, grid, FieldLayout("velocity", grid.axes))
        curl = operators.gradient(velocity.vector["y"], "x")
        curl = (curl - operators.gradient(velocity.vector["x"], "y")).native(grid.axes)
    model = model_of(NAME, {"viscosity": 0.01, "forcing": force}, SPECTRAL, substeps=20)
    found = final_state(model, w[None], grid, 1, 0.2)[0]
    assert (curl - w).abs().max() > 0.5
    torch.testing.assert_close(found, curl, rtol=0, atol=2e-6)


@pytest.mark.parametrize("scheme", [DIFFERENCES[1], SPECTRAL], **LABEL)
def test_taylor_green_decays(scheme: Discretization) -> None:
    grid = periodic_grid((24, 20), LENGTHS)
    x, y = points(grid)
    start = torch.cos(K * x) * torch.cos(M * y)
    rate = 0.02 * (K**2 + M**2) + 0.3
    model = model_of(NAME, {"viscosity": 0.02, "drag": 0.3}, scheme)
    last = final_state(model, 5.0 * start[None], grid, 2, 0.2)[0]
    assert exp(-0.4 * rate) < 0.5
    # fourth order: (k dx)⁴ / 90 of the rate of decay, 2e-4
    tolerance = 1e-9 if scheme == SPECTRAL else 1e-3
    torch.testing.assert_close(last, 5.0 * exp(-0.4 * rate) * start, rtol=0, atol=tolerance)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_kolmogorov_flow_is_stationary(axis: str) -> None:
    """The laminar flow A / (ν k² + α) sin(ky) of the force A sin(ky), or its quarter turn."""
    low, wavenumber = 0.35, 2 * (K if axis == "x" else M)
    sides = (("periodic", "periodic"),) * 2
    upper = (low + 0.7, low + 1.3)
    grid = Grid(("x", "y"), (16, 18), (low, low), upper, sides, (False, False))
    x, y = points(grid)
    laminar = 0.4 / (0.02 * wavenumber**2 + 0.5)
    # turned by 90°: a force −A sin(kx) along y
    angle = 0.0 if axis == "y" else pi / 2
    wave = torch.cos(wavenumber * (x if axis == "x" else y))
    steady = -laminar * wavenumber * wave
    given = {"viscosity": 0.02, "drag": 0.5, "forcing": [0.4, wavenumber]}
    model = model_of(NAME, {**given, "forcing_direction": angle}, SPECTRAL)
    rate = rate_of(model, {"vorticity": steady[None]}, grid)["vorticity"][0]
    assert steady.abs().max() > 0.05
    assert rate.abs().max() < 1e-12


def test_diagonal_force_of_the_docstring() -> None:
    grid = periodic_grid((16, 16), (1.0, 1.0))
    sum_of = 2 * pi * sum(points(grid))
    force = {
        "forcing": [0.1 / (2 * pi), 2 * pi * 2**0.5],
        "forcing_direction": -pi / 4,
        "forcing_phase": 3 * pi / 4,
    }
    model = model_of(NAME, {"viscosity": 1e-3, **force}, SPECTRAL)
    rate = rate_of(model, {"vorticity": torch.zeros(1, 16, 16).double()}, grid)["vorticity"][0]
    expected = 0.1 * (torch.sin(sum_of) + torch.cos(sum_of))
    torch.testing.assert_close(rate, expected, rtol=0, atol=1e-12)
    for number in ("0.015915", "8.8858", "-0.7854", "2.3562"):
        assert number in str(VorticityPDE.__doc__)


def test_forcing_by_a_field_and_an_offset_that_is_carried_along() -> None:
    grid = periodic_grid((12, 10), LENGTHS)
    field = torch.cos(K * points(grid)[0])
    model = model_of(NAME, {"viscosity": 0.01}, SPECTRAL)
    model.set_parameters({"forcing": field})
    state = {"vorticity": torch.full((1, 12, 10), 0.8).double()}
    torch.testing.assert_close(rate_of(model, state, grid)["vorticity"][0], field)


def test_flow_carries_the_vorticity_along_characteristics() -> None:
    grid = periodic_grid((32, 32), LENGTHS)
    x, y = points(grid)
    start = (3 * torch.cos(K * x) + 3 * torch.sin(M * y))[None]
    spectral, split = (
        final_state(model_of(NAME, {"viscosity": 0.002}, scheme, substeps=4), start, grid, 1, 0.1)
        for scheme in (SPECTRAL, Discretization("mac_cormack", None))
    )
    assert (spectral - start).abs().max() > 1.0
    assert (split - spectral).abs().max() < 0.1


def test_time_step_follows_the_speed_of_the_flow() -> None:
    grid = periodic_grid((16, 16), LENGTHS)
    model = model_of(NAME, {"viscosity": 0.0})
    final_state(model, 30 * two_waves(grid)[0][None], grid, 1, 0.1)
    fast = model.substeps_used
    final_state(model, 15 * two_waves(grid)[0][None], grid, 1, 0.1)
    assert fast > 4 and fast // 2 <= model.substeps_used <= fast // 2 + 1


def test_viscosity_is_calibrated() -> None:
    grid = periodic_grid((12, 10), LENGTHS)
    truth = model_of(NAME, {"viscosity": 0.02, "drag": 0.1}, DIFFERENCES[0], substeps=2)
    start = two_waves(grid)[0][None]
    frames = torch.stack([start, *truth.rollout(start, grid, 2, 0.1)])
    wanted = [{"name": "viscosity", "initial_guess": 0.05}]
    numerics = {"order": 2, "substeps": 2}
    config = physical_config(NAME, {"drag": 0.1}, wanted, numerics, check_discretization=False)
    guess = [torch.tensor(0.05, dtype=torch.float64)]
    trainer = PhysicalTrainer(config, VorticityPDE(config), guess)
    found = trainer.train(Windows(frames, grid, 2, 2, 0.1), 1)["parameters"]["viscosity"]
    assert found["value"] == pytest.approx(0.02, rel=1e-6)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (periodic_grid((16,), (0.7,)), r"VorticityPDE: the data have one axis \(x\).*needs 2"),
        (periodic_grid((8, 8, 8), (1.0, 1.0, 1.0)), r"VorticityPDE: the data have 3 axes"),
        (walled_grid((12, 12), LENGTHS), r"VorticityPDE: it needs 'periodic'.*'zero-gradient'"),
    ],
)
@pytest.mark.parametrize("substeps", [None, 2])
def test_other_domains_are_rejected(grid: Grid, message: str, substeps: Any) -> None:
    model = model_of(NAME, {"viscosity": 0.01}, substeps=substeps)
    with pytest.raises(ConfigError, match=r"^model\.physical\.name: " + message):
        final_state(model, torch.zeros(1, *grid.shape), grid, 1, 0.1)
