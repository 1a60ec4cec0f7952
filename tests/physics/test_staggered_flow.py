"""Incompressible flow on staggered grids, against closed forms."""

from math import exp, log2, pi

import pytest
import torch

from hybrid_pde.errors import RawDataError
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.numerics.discretization import Discretization
from tests.physics.periodic_box import coordinates, periodic_grid
from tests.physics.rollouts import rate_of
from tests.physics.staggered_flow import (
    BOXES,
    PERIODIC,
    SLIP,
    STICK,
    cells,
    centres_of,
    divergence,
    flow,
    model,
)
from tests.physics.test_navier_stokes import last, noise, taylor_green


def test_taylor_green_converges_at_second_order():
    errors = []
    for n in (40, 80):
        grid = periodic_grid((n, n - n // 4), (2 * pi * 0.4, 2 * pi * 0.3))
        found = last(model(20, viscosity=0.02), taylor_green(grid, 0.02, 0.0), grid, 1, 0.1)
        errors.append(float((found - taylor_green(grid, 0.02, 0.1)).abs().max()))
    assert errors[1] < 2e-3
    assert abs(log2(errors[0] / errors[1]) - 2) < 0.2


def test_vortices_between_slippery_walls_converge_at_second_order():
    # The stream function sin(ax) sin(by) vanishes on the walls, and so does the shear.
    errors, viscosity = [], 0.02
    for n in (16, 32):
        grid = cells((n, n + n // 2), (SLIP, SLIP))
        (x, y), (a, b) = coordinates(grid), (pi / 0.7, pi / 1.3)
        u = torch.sin(a * x) * torch.cos(b * y) * b
        start = torch.stack([u, -a * torch.cos(a * x) * torch.sin(b * y)])
        found = last(model(20, viscosity=viscosity), start, grid, 1, 0.1)
        exact = start * exp(-viscosity * (a**2 + b**2) * 0.1)
        errors.append(float((found - exact).abs().max()))
    assert errors[0] < 0.02 * float(start.abs().max())
    assert abs(log2(errors[0] / errors[1]) - 2) < 0.2


def test_flow_between_walls_decays_at_second_order():
    errors, height = [], 1.3
    for n in (12, 24):
        grid = cells((6, n), (PERIODIC, STICK))
        profile = torch.sin(pi * coordinates(grid)[1] / height)
        start = torch.stack([profile, 0 * profile])
        found = last(model(viscosity=0.05), start, grid, 1, 0.6)
        errors.append(float((found - start * exp(-0.05 * (pi / height) ** 2 * 0.6)).abs().max()))
    assert errors[1] < 1e-3
    assert abs(log2(errors[0] / errors[1]) - 2) < 0.2


@pytest.mark.parametrize("case", ["channel", "three"])
def test_divergence_stays_at_rounding(case):
    grid = cells(*BOXES[case])
    start, density = noise(len(grid.axes), *grid.shape), noise(1, *grid.shape)
    assert divergence(start, grid) > 1.0
    made = model(viscosity=0.01, diffusivity=0.01, buoyancy=[0.3, 1.0, -0.5][: len(grid.axes)])
    for frame in made.rollout({"velocity": start, "density": density}, grid, 2, 0.02):
        assert divergence(frame["velocity"], grid) < 1e-10
        assert frame["velocity"].square().mean() > 0.1


@pytest.mark.parametrize("case", BOXES)
def test_inviscid_flow_conserves_energy_and_tracers(case):
    grid = cells(*BOXES[case])
    state = {"velocity": flow(grid), "density": noise(1, *grid.shape)}
    rates = rate_of(model(), state, grid)
    assert min(float(rate.abs().max()) for rate in rates.values()) > 1.0
    for name, rate in rates.items():
        assert abs(float((state[name] * rate).sum())) < 1e-10 * float(rate.abs().sum())
    assert abs(float(rates["density"].sum())) < 1e-10
    for axis, sides in enumerate(grid.boundary):
        if all(each == PERIODIC for each in grid.boundary):
            assert abs(float(rates["velocity"][axis].sum())) < 1e-10, sides


@pytest.mark.parametrize("boundary", [SLIP, PERIODIC])
def test_layers_of_smoke_are_at_rest(boundary):
    # The pressure gradient balances their buoyancy: all of it between walls, else all but its mean.
    grid = cells((8, 10), (PERIODIC, boundary))
    layers = torch.sin(2 * pi * coordinates(grid)[1] / 1.3)[None] * 3.0
    still = torch.zeros(2, 8, 10, dtype=torch.float64)
    made = model(viscosity=0.01, buoyancy=[0.0, 2.0])
    found = last(made, {"velocity": still, "density": layers}, grid, 2, 0.1)
    assert found["velocity"].abs().max() < 1e-13
    torch.testing.assert_close(found["density"], layers, rtol=0, atol=1e-13)
    tilted = layers + 0.1 * torch.cos(2 * pi * coordinates(grid)[0] / 0.7)
    moved = last(made, {"velocity": still, "density": tilted}, grid, 2, 0.1)
    assert moved["velocity"].abs().max() > 1e-3


def test_smoke_plume_is_symmetric_and_keeps_its_mass():
    grid = cells((16, 24), (SLIP, SLIP), (1.0, 1.5))
    x, y = coordinates(grid)
    density = torch.exp(-((x - 0.5) ** 2 + (y - 0.3) ** 2) / 0.01)[None]
    start = {"velocity": torch.zeros(2, 16, 24, dtype=torch.float64), "density": density}
    made = model(viscosity=0.01, diffusivity=0.005, buoyancy=[0.0, 2.0])
    found = last(made, start, grid, 4, 0.15)
    u, v = found["velocity"]
    smoke = found["density"][0]
    torch.testing.assert_close(u, -u.flip(0), rtol=0, atol=1e-11)
    torch.testing.assert_close(v, v.flip(0), rtol=0, atol=1e-11)
    torch.testing.assert_close(smoke, smoke.flip(0), rtol=0, atol=1e-11)
    assert float(smoke.sum()) == pytest.approx(float(density.sum()), rel=1e-12)
    assert float((smoke * y).sum() / smoke.sum()) > 0.33
    assert v.max() > 0.1 and v.min() < -0.02


def test_converges_to_the_same_flow_as_a_collocated_grid():
    differences = []
    for n in (12, 24):
        grid = cells((n, n), (PERIODIC, STICK), (1.0, 1.0))
        x, y = coordinates(grid)
        profile = torch.sin(pi * y) ** 2  # of the stream function, so that all walls are at rest
        slope = 2 * pi * torch.sin(pi * y) * torch.cos(pi * y)
        wave = torch.stack(
            [slope * torch.cos(2 * pi * x), 2 * pi * profile * torch.sin(2 * pi * x)]
        )
        density = profile[None] * torch.cos(2 * pi * (x - 0.2))
        start = {"velocity": 0.1 * wave, "density": density}
        given = {"viscosity": 0.01, "diffusivity": 0.01, "buoyancy": [0.0, 0.5]}
        one = last(model(**given), start, grid, 1, 0.4)
        collocated = model(**given, staggered=False)
        collocated.discretization = Discretization.of("finite_difference", 2)
        other = last(collocated, start, grid, 1, 0.4)
        change = max(float((one[name] - start[name]).abs().max()) for name in one)
        differences.append(max(float((one[name] - other[name]).abs().max()) for name in one))
    assert differences[1] < 0.05 * change
    assert log2(differences[0] / differences[1]) > 1.5


def test_lid_driven_cavity():
    # Re = 100. Ghia, Ghia and Shin (1982), Journal of Computational Physics 48, 387, tables I, II.
    n = 32
    grid = cells((n, n), (STICK, STICK), (1.0, 1.0))
    lid = Conditions({"boundary.y.upper": torch.tensor([[1.0, 0.0]], dtype=torch.float64)})
    start = {"velocity": torch.zeros(1, 2, n, n, dtype=torch.float64)}
    end = last(model(viscosity=0.01), start, grid, 6, 2.0, conditions=lid)["velocity"][0]
    middle = slice(n // 2 - 1, n // 2 + 1)
    assert float(end[0, middle].mean(0).min()) == pytest.approx(-0.21090, rel=0.02)
    assert float(end[1, :, middle].mean(1).max()) == pytest.approx(0.17527, rel=0.02)
    leaking = Conditions({"boundary.y.upper": torch.tensor([[1.0, 0.5]], dtype=torch.float64)})
    with pytest.raises(RawDataError, match=r"boundary\.y\.upper.*nothing flows through"):
        last(model(viscosity=0.01), start, grid, 1, 0.1, conditions=leaking)


@pytest.mark.parametrize("case", ["periodic", "closed"])
def test_derivatives_with_respect_to_parameters(case):
    grid = cells(*BOXES[case])
    state = {"velocity": centres_of(flow(grid), grid), "density": noise(1, *grid.shape)}
    given = {"viscosity": 0.05, "diffusivity": 0.04, "buoyancy": [0.3, -0.7], "forcing": [0.5, 3.0]}
    made = model(2, **given)
    values = {name: value.detach() for name, value in made.named_parameters()}
    weights = noise(3, *grid.shape)

    def objective(parameters: dict[str, torch.Tensor]) -> torch.Tensor:
        end = last(made, state, grid, 1, 0.02, parameters=parameters)
        return (torch.cat([end["velocity"], end["density"]]) * weights).sum()

    leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
    reverse = torch.autograd.grad(objective(leaves), list(leaves.values()))
    for (name, value), gradient in zip(values.items(), reverse, strict=True):
        direction = torch.ones_like(value)
        ends = [objective({**values, name: value + step * direction}) for step in (1e-5, -1e-5)]
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(value, direction)
            forward = torch.autograd.forward_ad.unpack_dual(objective({**values, name: dual}))
        assert abs(float(forward.tangent)) > 1e-4
        torch.testing.assert_close(
            forward.tangent, (ends[0] - ends[1]) / 2e-5, rtol=1e-6, atol=1e-8
        )
        torch.testing.assert_close(gradient.sum(), forward.tangent)


def test_a_finer_grid_is_more_accurate():
    grid = periodic_grid((16, 12), (2 * pi * 0.4, 2 * pi * 0.3))
    errors = []
    for refine in (1, 2):
        made = model(20, {"substeps": None, "refine": refine}, viscosity=0.02)
        found = last(made, taylor_green(grid, 0.02, 0.0), grid, 1, 0.1)
        errors.append(float((found - taylor_green(grid, 0.02, 0.1)).abs().max()))
    assert 3.0 < errors[0] / errors[1] < 5.0


def test_single_precision():
    grid = periodic_grid((20, 15), (2 * pi * 0.4, 2 * pi * 0.3))
    made = model(viscosity=0.02, numerics={"precision": "single"})
    found = last(made, taylor_green(grid, 0.02, 0.0), grid, 2, 0.1)
    assert found.dtype == torch.float32
    exact = last(model(viscosity=0.02), taylor_green(grid, 0.02, 0.0), grid, 2, 0.1)
    assert (found - exact).abs().max() < 1e-5
