"""Incompressible flow against closed forms, in periodic boxes and between walls."""

from math import exp, log2, pi
from typing import Any

import pytest
import torch
from phi.torch.flow import channel, math, spatial

from hybrid_pde.data.field_conversion import to_native, to_values
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical import NavierStokesPDE
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.numerics.projection import project
from tests.physics.corner_divergence import corner_divergence
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

PERIODIC = ("periodic", "periodic")
WALLS = (0.0, 0.0)
SPECTRAL = Discretization.of("spectral", 4)
ORDERS = [Discretization(order=order) for order in (2, 4, 6)]


def model(
    scheme: Discretization = ORDERS[1], substeps: int | None = None, **params: Any
) -> NavierStokesPDE:
    numerics = {"precision": "double", "substeps": substeps}
    made = NavierStokesPDE(physical_config("NavierStokesPDE", params, numerics=numerics))
    made.discretization = scheme
    return made


def last(made: NavierStokesPDE, state: Any, grid: Grid, steps: int, dt: float, **more: Any) -> Any:
    *_, end = made.rollout(state, grid, steps, dt, **more)
    return end


def walled(shape, lengths, boundary, nodes: bool) -> Grid:
    on_boundary = tuple(nodes and sides != PERIODIC for sides in boundary)
    return Grid(
        ("x", "y", "z")[: len(shape)], shape, (0.0,) * len(shape), lengths, boundary, on_boundary
    )


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def solenoidal(native: torch.Tensor, grid: Grid, walls: Any = None) -> torch.Tensor:
    layout = FieldLayout("velocity", grid.axes)
    with math.precision(64):
        return to_native(project(to_values(native, grid, layout), grid, walls), grid, layout)


def largest_divergence(native: torch.Tensor, grid: Grid) -> float:
    with math.precision(64):
        values = to_values(native, grid, FieldLayout("velocity", grid.axes))
        return float(corner_divergence(values, grid).native(grid.axes).abs().max())


def spectral_divergence(native: torch.Tensor, grid: Grid) -> torch.Tensor:
    with math.precision(64):
        values = to_values(native, grid, FieldLayout("velocity", grid.axes))
        return SPECTRAL.operators(grid).divergence(values).native(grid.axes)


def taylor_green(grid: Grid, viscosity: float, time: float) -> torch.Tensor:
    """Vortices with the stream function cos(ax) cos(by), which decay without changing shape."""
    (x, y), (a, b) = coordinates(grid), (2 * pi / length for length in grid.upper)
    decay = exp(-viscosity * (a**2 + b**2) * time)
    u, v = -b * torch.cos(a * x) * torch.sin(b * y), a * torch.sin(a * x) * torch.cos(b * y)
    return decay * torch.stack([u, v])


@pytest.mark.parametrize("scheme", ORDERS, ids=lambda scheme: scheme.label)
def test_taylor_green_converges_at_the_stated_order(scheme):
    errors = []
    for n in (20, 40):
        grid = periodic_grid((n, n - n // 4), (2 * pi * 0.4, 2 * pi * 0.3))
        made = model(scheme, substeps=30, viscosity=0.02)
        found = last(made, taylor_green(grid, 0.02, 0.0), grid, 1, 0.1)
        errors.append(float((found - taylor_green(grid, 0.02, 0.1)).abs().max()))
    assert abs(log2(errors[0] / errors[1]) - scheme.order) < 0.2


def test_taylor_green_is_exact_by_the_spectral_scheme():
    grid = periodic_grid((20, 15), (2 * pi * 0.4, 2 * pi * 0.3))
    found = last(model(SPECTRAL, viscosity=0.05), taylor_green(grid, 0.05, 0.0), grid, 3, 0.2)
    exact = taylor_green(grid, 0.05, 0.6)
    assert exact.abs().max() < 0.6 * taylor_green(grid, 0.05, 0.0).abs().max()
    assert (found - exact).abs().max() < 1e-8


@pytest.mark.parametrize("scheme, tolerance", [(SPECTRAL, 1e-8), (ORDERS[1], 2e-3)])
def test_beltrami_flow_in_three_dimensions(scheme, tolerance):
    # The Arnold-Beltrami-Childress flow equals its own vorticity, so it only decays.
    length, viscosity = 2 * pi * 0.3, 0.02
    grid = periodic_grid((12, 14, 16), (length,) * 3)
    x, y, z = (2 * pi * line / length for line in coordinates(grid))
    start = torch.stack(
        [
            1.0 * torch.sin(z) + 0.6 * torch.cos(y),
            0.8 * torch.sin(x) + 1.0 * torch.cos(z),
            0.6 * torch.sin(y) + 0.8 * torch.cos(x),
        ]
    )
    found = last(model(scheme, viscosity=viscosity), start, grid, 2, 0.1)
    exact = start * exp(-viscosity / 0.3**2 * 0.2)
    assert (exact - start).abs().max() > 0.05
    assert (found - exact).abs().max() < tolerance


@pytest.mark.parametrize("scheme", [ORDERS[1], SPECTRAL], ids=lambda scheme: scheme.label)
def test_divergence_does_not_change(scheme):
    grid = periodic_grid((20, 15), (0.7, 1.3))
    start = solenoidal(noise(2, *grid.shape), grid)
    made = model(scheme, viscosity=0.01, forcing=[0.5, 2 * pi / 1.3])
    for frame in made.rollout(start, grid, 2, 0.02):
        assert spectral_divergence(frame, grid).abs().max() < 1e-9
    assert (frame - start).abs().max() > 0.1
    compressed = start + 0.1 * noise(2, *grid.shape)
    found = spectral_divergence(last(made, compressed, grid, 2, 0.005), grid)
    torch.testing.assert_close(found, spectral_divergence(compressed, grid), rtol=0, atol=1e-9)


@pytest.mark.parametrize("scheme, dims", [(ORDERS[2], 2), (SPECTRAL, 3)])
def test_kolmogorov_forcing_from_rest(scheme, dims):
    # νk² u = A (1 − exp(−νk²t)) sin(ky), with y measured from the origin of the coordinates.
    shape, lengths, low = (8, 36, 10)[:dims], (0.7, 1.3, 0.9)[:dims], 0.35
    ends = tuple(low + length for length in lengths)
    boundary = (PERIODIC,) * dims
    grid = Grid(("x", "y", "z")[:dims], shape, (low,) * dims, ends, boundary, (False,) * dims)
    wavenumber, amplitude, viscosity = 2 * 2 * pi / 1.3, 0.4, 0.02
    y = low + (torch.arange(36, dtype=torch.float64) + 0.5) * 1.3 / 36
    rate = viscosity * wavenumber**2
    profile = amplitude / rate * (1 - exp(-rate * 0.5)) * torch.sin(wavenumber * y)
    exact = torch.zeros(dims, *shape, dtype=torch.float64)
    exact[0] = profile.reshape(1, -1, *(1,) * (dims - 2))
    made = model(scheme, viscosity=viscosity, forcing=[amplitude, wavenumber])
    found = last(made, torch.zeros_like(exact), grid, 1, 0.5)
    assert exact.abs().max() > 0.1
    # Sixth order: (k dx)⁶ / 560 = 1e-6 of the rate of decay. The exponential integrator is exact.
    assert (found - exact).abs().max() < (1e-10 if scheme is SPECTRAL else 2e-6)


def test_forcing_by_a_field():
    grid = periodic_grid((20, 15), (0.7, 1.3))
    x, y = coordinates(grid)
    start, wavenumber = 0.2 * solenoidal(noise(2, *grid.shape), grid), 2 * pi / 1.3
    made = model(viscosity=0.02, forcing=[0.5, wavenumber])
    numbers = last(made, start, grid, 1, 0.05)
    field = torch.stack([0.5 * torch.sin(wavenumber * y), 0 * y])
    # A gradient is balanced by the pressure.
    field = field + torch.stack([torch.cos(2 * pi * x / 0.7), 0 * y])
    parameters = {**dict(made.named_parameters()), "forcing": field}
    parameters = {name: value.detach() for name, value in parameters.items()}
    torch.testing.assert_close(last(made, start, grid, 1, 0.05, parameters=parameters), numbers)


def test_density_is_advected_and_diffused():
    # In the uniform flow (0.6, -0.9), without buoyancy.
    grid, diffusivity = periodic_grid((20, 16), (0.7, 1.3)), 0.01
    x, y = coordinates(grid)
    k = (2 * pi / 0.7, 2 * pi / 1.3)

    def exact(time: float) -> torch.Tensor:
        phase = k[0] * (x - 0.6 * time) + k[1] * (y + 0.9 * time)
        return exp(-diffusivity * (k[0] ** 2 + k[1] ** 2) * time) * torch.cos(phase)[None]

    flow = torch.stack([torch.full_like(x, 0.6), torch.full_like(x, -0.9)])
    made = model(SPECTRAL, viscosity=0.02, diffusivity=diffusivity)
    found = last(made, {"velocity": flow, "density": exact(0.0)}, grid, 2, 0.05)
    assert (found["density"] - exact(0.1)).abs().max() < 1e-5
    torch.testing.assert_close(found["velocity"], flow, rtol=0, atol=1e-12)


def test_smoke_gains_momentum_from_its_buoyancy():
    grid = periodic_grid((24, 20), (0.7, 1.3))
    x, y = coordinates(grid)
    density = torch.exp(-((x - 0.3) ** 2 + (y - 0.4) ** 2) / 0.02)[None]
    start = {"velocity": torch.zeros(2, *grid.shape, dtype=torch.float64), "density": density}
    made = model(SPECTRAL, viscosity=0.005, diffusivity=0.005, buoyancy=[0.2, 1.5])
    found = last(made, start, grid, 4, 0.1)
    gained = found["velocity"].mean((1, 2))
    expected = torch.tensor([0.2, 1.5], dtype=torch.float64) * density.mean() * 0.4
    torch.testing.assert_close(gained, expected, rtol=1e-10, atol=0)
    rising = found["velocity"][1]  # a plume, with fluid sinking beside it
    assert rising.max() > 3 * gained[1] and rising.min() < -0.2 * gained[1]
    assert spectral_divergence(found["velocity"], grid).abs().max() < 1e-9


@pytest.mark.parametrize("scheme, nodes", [(ORDERS[0], False), (ORDERS[1], True)])
def test_flow_between_walls_decays(scheme, nodes):
    errors, height = [], 0.9
    for n in (12, 24):
        grid = walled((7, n + nodes), (0.7, height), (PERIODIC, WALLS), nodes)
        y = (torch.arange(n + nodes, dtype=torch.float64) + (0.0 if nodes else 0.5)) * height / n
        profile = torch.sin(pi * y / height).expand(7, -1)
        start = torch.stack([profile, 0 * profile])
        found = last(model(scheme, viscosity=0.05), start, grid, 1, 0.6)
        exact = start * exp(-0.05 * (pi / height) ** 2 * 0.6)
        errors.append(float((found - exact).abs().max()))
    assert errors[0] < 0.003
    # The solution is odd, which favours the polynomials at the walls: order 4.8 on nodes.
    assert scheme.order - 0.2 < log2(errors[0] / errors[1]) < scheme.order + 0.9


@pytest.mark.parametrize("scheme, nodes", [(ORDERS[1], False), (ORDERS[2], True)])
def test_energy_never_grows_in_a_closed_box(scheme, nodes):
    grid = walled((16, 20), (1.3, 0.9), (WALLS, WALLS), nodes)
    start = noise(2, 16, 20)
    if nodes:
        start[:, [0, -1]] = start[:, :, [0, -1]] = 0.0
    start = solenoidal(start, grid)
    energies = [float(start.square().sum())]
    for frame in model(scheme, viscosity=0.005).rollout(start, grid, 3, 0.1):
        energies.append(float(frame.square().sum()))
        assert largest_divergence(frame, grid) < 1e-10
        if nodes:
            assert frame[:, [0, -1]].abs().max() == frame[:, :, [0, -1]].abs().max() == 0
    assert all(after < 0.95 * before for before, after in zip(energies, energies[1:], strict=False))


def test_lid_driven_cavity():
    # Re = 100. Ghia, Ghia and Shin (1982), Journal of Computational Physics 48, 387, tables I, II:
    # extreme values on the centre lines; the error is 2 % and 4 % with 16² points, 1 % with 32².
    n = 16
    grid = walled((n, n), (1.0, 1.0), (WALLS, WALLS), nodes=False)
    lid = Conditions({"boundary.y.upper": torch.tensor([[1.0, 0.0]], dtype=torch.float64)})
    start = torch.zeros(1, 2, n, n, dtype=torch.float64)
    made = model(viscosity=0.01)
    frames = [
        f["velocity"][0] for f in made.rollout({"velocity": start}, grid, 6, 2.0, conditions=lid)
    ]
    assert (frames[-1] - frames[-2]).abs().max() < 2e-3
    u, v = (
        frames[-1][0, n // 2 - 1 : n // 2 + 1].mean(0),
        frames[-1][1, :, n // 2 - 1 : n // 2 + 1].mean(1),
    )
    assert float(u.min()) == pytest.approx(-0.21090, rel=0.03)
    assert float(v.max()) == pytest.approx(0.17527, rel=0.05)
    assert largest_divergence(frames[-1], grid) < 1e-11


def test_lid_driven_cavity_on_nodes_is_of_second_order():
    # A lid with the velocity 16 x² (1 − x)²; u is measured in the return flow.
    found = []
    for n in (6, 12, 24):
        grid = walled((n + 1, n + 1), (1.0, 1.0), (WALLS, WALLS), nodes=True)
        x = torch.linspace(0, 1, n + 1, dtype=torch.float64)
        lid = math.reshaped_tensor(
            torch.stack([16 * x**2 * (1 - x) ** 2, 0 * x]), [channel(vector="x,y"), spatial("x")]
        )
        start = torch.zeros(2, n + 1, n + 1, dtype=torch.float64)
        start = solenoidal(start, grid, {"boundary.y.upper": lid})
        found.append(last(model(ORDERS[0], viscosity=0.02), start, grid, 1, 1.0)[0, n // 2, n // 2])
    assert found[-1] < -0.1
    assert abs(log2((found[1] - found[0]) / (found[2] - found[1])) - 2) < 0.5


CASES = {
    "periodic": ((12, 9), (PERIODIC, PERIODIC), False, SPECTRAL),
    "channel": ((12, 9), (PERIODIC, WALLS), False, ORDERS[1]),
    "box": ((9, 11), (WALLS, WALLS), True, ORDERS[0]),
}


@pytest.mark.parametrize(
    "case", ["periodic", pytest.param("channel", marks=pytest.mark.nightly), "box"]
)
def test_derivatives_with_respect_to_parameters(case):
    shape, boundary, nodes, scheme = CASES[case]
    grid = walled(shape, (0.7, 1.3), boundary, nodes)
    state = {"velocity": solenoidal(noise(2, *shape), grid), "density": noise(1, *shape)}
    given = {"viscosity": 0.05, "diffusivity": 0.04, "buoyancy": [0.3, -0.7], "forcing": [0.5, 3.0]}
    made = model(scheme, substeps=2, **given)
    values = {name: value.detach() for name, value in made.named_parameters()}
    weights = noise(3, *shape)

    def objective(parameters: dict[str, torch.Tensor]) -> torch.Tensor:
        end = last(made, state, grid, 1, 0.02, parameters=parameters)
        return (torch.cat([end["velocity"], end["density"]]) * weights).sum()

    leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
    reverse = torch.autograd.grad(objective(leaves), list(leaves.values()))
    for (name, value), gradient in zip(values.items(), reverse, strict=True):
        direction = torch.ones_like(value)
        step = 1e-5 * direction
        difference = objective({**values, name: value + step}) - objective(
            {**values, name: value - step}
        )
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(value, direction)
            forward = torch.autograd.forward_ad.unpack_dual(objective({**values, name: dual}))
        assert abs(float(difference)) > 1e-8
        torch.testing.assert_close(forward.tangent, difference / 2e-5, rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(gradient.sum(), forward.tangent)


def test_single_precision():
    grid = periodic_grid((20, 15), (2 * pi * 0.4, 2 * pi * 0.3))
    made = model(viscosity=0.02)
    made.precision = "single"
    found = last(made, taylor_green(grid, 0.02, 0.0), grid, 2, 0.1)
    assert found.dtype == torch.float32
    assert (found - taylor_green(grid, 0.02, 0.2)).abs().max() < 0.01


def test_one_axis_is_refused():
    made = model(viscosity=0.02)
    with pytest.raises(ConfigError, match=r"model\.physical\.name: NavierStokesPDE.*one axis"):
        last(made, torch.zeros(1, 16), periodic_grid((16,), (0.7,)), 1, 0.1)
