"""Fifth-order WENO advection: order, shocks, walls and derivatives, in boxes with dx != 1."""

from collections.abc import Callable
from math import ceil, pi

import numpy as np
import pytest
import torch
from phi.torch.flow import channel, math

from hybrid_pde.data.field_conversion import to_values
from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, FieldLayout, Grid
from hybrid_pde.numerics.runge_kutta import runge_kutta_4
from hybrid_pde.numerics.stability import SAFETY, Bounds, largest_stable_dt
from hybrid_pde.numerics.weno import LARGEST_COURANT, Weno
from tests.physics.periodic_box import coordinates, periodic_grid

LENGTH = 0.7
SCALAR = FieldLayout("c")
LINE = FieldLayout("u", ("x",))


@pytest.fixture(autouse=True)
def double_precision():
    with math.precision(64):
        yield


def uniform(*speeds: float) -> math.Tensor:
    return math.wrap(list(speeds), channel(vector="x,y"[: 2 * len(speeds) - 1]))


def order_of(errors: list[torch.Tensor]) -> float:
    """Order of convergence of the largest error when the spacing is halved."""
    coarse, fine = (float(error.abs().max()) for error in errors)
    return float(np.log2(coarse / fine))


def compiled(rate: Callable[[math.Tensor], math.Tensor], dt: float) -> Callable:
    """A compiled Runge-Kutta step of a single field."""
    return math.jit_compile(
        lambda u: runge_kutta_4(lambda state, _: {"u": rate(state["u"])}, {"u": u}, dt)["u"]
    )


def burgers(grid: Grid, start: torch.Tensor, until: float, courant: float) -> list[np.ndarray]:
    """All states of u_t + (u²/2)_x = 0 from ``start`` [X]; the largest |u| never grows."""
    steps = ceil(until * float(start.abs().max()) / (courant * grid.spacing[0]))
    weno, u = Weno(grid), to_values(start[None], grid, LINE)
    step = compiled(lambda u: -weno.advect(u, u), until / steps)
    states = [start.numpy()]
    for _ in range(steps):
        u = step(u)
        states.append(u.native(["vector", "x"])[0].numpy())
    return states


def total_variation(u: np.ndarray) -> float:
    return float(np.abs(u - np.roll(u, 1)).sum())


@pytest.mark.parametrize("speed", [1.3, -0.4])
def test_uniform_advection_has_order_five(speed):
    # exp sin has first-order critical points; the weights must not lose the order there.
    errors = []
    for n in (80, 160):
        grid = periodic_grid((n,), (LENGTH,))
        phase = 2 * pi * coordinates(grid)[0] / LENGTH + 0.3
        c = torch.exp(torch.sin(phase))
        found = Weno(grid).advect(uniform(speed), to_values(c[None], grid, SCALAR))
        errors.append(found.native(["x"]) - speed * c * torch.cos(phase) * 2 * pi / LENGTH)
    assert abs(order_of(errors) - 5) < 0.2


@pytest.mark.parametrize("itself", [True, False])
def test_advection_by_a_field_has_order_five(itself):
    kx, ky = 2 * pi / LENGTH, 2 * pi / 3.0
    errors = []
    for n in (60, 120):
        grid = periodic_grid((n, n + n // 2), (LENGTH, 3.0))
        x, y = coordinates(grid)
        u, v = torch.exp(torch.sin(kx * x)), torch.cos(ky * y + kx * x)
        velocity = to_values(torch.stack([u, v]), grid, FieldLayout("u", ("x", "y")))
        along_x, along_y = u * kx * torch.cos(kx * x), -torch.sin(ky * y + kx * x)
        if itself:
            exact = torch.stack([u * along_x, (u * kx + v * ky) * along_y])
            found = Weno(grid).advect(velocity, velocity).native(["vector", "x", "y"])
        else:
            phase = ky * y - kx * x
            exact = (u * kx - v * ky) * torch.sin(phase)
            found = Weno(grid).advect(velocity, to_values(torch.cos(phase)[None], grid, SCALAR))
            found = found.native(["x", "y"])
        errors.append(found - exact)
    assert abs(order_of(errors) - 5) < 0.2


def test_shock_moves_with_the_speed_of_rankine_and_hugoniot():
    # From u = 1 to 0.2: speed (1 + 0.2)/2.
    grid = periodic_grid((100,), (LENGTH,))
    x = coordinates(grid)[0].numpy()
    start = torch.tensor(np.where((x > 0.1) & (x < 0.35), 1.0, 0.2))
    states = burgers(grid, start, 0.3, SAFETY * LARGEST_COURANT)

    def place(u: np.ndarray) -> float:
        behind = int(np.flatnonzero((u[:-1] > 0.6) & (u[1:] <= 0.6))[0])
        return float(x[behind] + (u[behind] - 0.6) / (u[behind] - u[behind + 1]) * grid.spacing[0])

    middle = len(states) // 2
    passed = 0.3 * (len(states) - 1 - middle) / (len(states) - 1)
    assert (place(states[-1]) - place(states[middle])) / passed == pytest.approx(0.6, rel=0.01)
    assert states[-1].sum() == pytest.approx(start.sum().item(), rel=1e-13)


@pytest.mark.parametrize("offset", [0.0, 3.0, -3.0], ids="offset {}".format)
def test_jumps_do_not_oscillate(offset):
    # A standing shock and a rarefaction through u = 0; an offset advects both.
    grid = periodic_grid((100,), (LENGTH,))
    x = coordinates(grid)[0].numpy()
    jump = np.where((x > 0.2) & (x < 0.5), 1.0, -1.0)
    states = burgers(grid, torch.tensor(jump + offset), 0.1, SAFETY * LARGEST_COURANT)
    variations = [total_variation(u) for u in states]
    assert max(variations) < 1.01 * variations[0]
    # The rarefaction opens to u = (x − x₀ − offset t)/t, ±0.1 wide.
    place = (x - 0.2 - offset * 0.1 + LENGTH / 2) % LENGTH - LENGTH / 2
    exact = np.clip(place / 0.1, -1, 1)
    exact = np.where((place > 0.3) | (place < -0.15), -1.0, exact) + offset
    # The shock, a jump of 2, and the corners of the fan are smeared over a few points.
    assert np.abs(states[-1] - exact).mean() < 2 * 3 / 100


def test_2d_shocks_move_along_their_axes():
    # u jumps along x, v along y, each shock with speed 0.6: the lines are independent.
    grid = periodic_grid((50, 40), (LENGTH, 0.56))
    x, y = coordinates(grid)
    u = torch.where((x > 0.1) & (x < 0.35), 1.0, 0.2).double()
    v = torch.where((y > 0.1) & (y < 0.35), 1.0, 0.2).double()
    weno, state = Weno(grid), to_values(torch.stack([u, v]), grid, FieldLayout("u", ("x", "y")))
    dt = 0.4 * grid.spacing[0]
    step = compiled(lambda u: -weno.advect(u, u), dt)
    for _ in range(20):
        state = step(state)
    line = burgers(periodic_grid((50,), (LENGTH,)), u[:, 0], 20 * dt, 0.4)[-1]
    found = state.native(["vector", "x", "y"])[0].numpy()
    np.testing.assert_allclose(found, np.repeat(line[:, None], 40, axis=1), atol=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1e4])
def test_the_unit_of_the_field_does_not_matter(scale):
    grid = periodic_grid((60,), (LENGTH,))
    x = coordinates(grid)[0]
    u = torch.where((x > 0.1) & (x < 0.35), 1.0, 0.2).double() + 0.1 * torch.sin(2 * pi * x / 0.7)
    once = Weno(grid).advect(values := to_values(u[None], grid, LINE), values)
    scaled = Weno(grid).advect(values := to_values(scale * u[None], grid, LINE), values)
    found, expected = (t.native(["vector", "x"]) for t in (scaled, once))
    torch.testing.assert_close(found / scale**2, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("on_wall", [False, True])
@pytest.mark.parametrize("fixed", [False, True])
def test_walls(on_wall, fixed):
    # sin is odd about x = 0, cos is even: the reflections are exact, and the order is kept.
    errors = []
    for n in (40, 80):
        sides = (0.0, 0.0) if fixed else (ZERO_GRADIENT, ZERO_GRADIENT)
        grid = Grid(("x",), (n + on_wall,), (0.0,), (LENGTH,), (sides,), (on_wall,))
        x = (torch.arange(n + on_wall, dtype=torch.float64) + (0 if on_wall else 0.5)) * LENGTH / n
        k = 3 * pi / LENGTH
        wave, slope = torch.sin(k * x), k * torch.cos(k * x)
        c, exact = (wave, slope) if fixed else (slope / k, -k * wave)
        found = Weno(grid).advect(uniform(-1.3), to_values(c[None], grid, SCALAR))
        errors.append(found.native(["x"]) + 1.3 * exact)
    assert abs(order_of(errors) - 5) < 0.3


def test_an_inflow_has_the_value_at_its_wall():
    # c_t + c_x = 0 with c = 2 at x = 0, passed to the rate: the front has crossed half the box.
    grid = Grid(("x",), (80,), (0.0,), (LENGTH,), ((0.0, ZERO_GRADIENT),), (False,))
    weno = Weno(grid).with_boundary({"boundary.x.lower": math.wrap(2.0)})
    assert isinstance(weno, Weno)
    c = to_values(torch.zeros(1, 80, dtype=torch.float64), grid, SCALAR)
    step = compiled(lambda c: -weno.advect(uniform(1.0), c), LENGTH / 160)
    for _ in range(80):
        c = step(c)
    found = c.native(["x"])
    assert (found[:34] - 2).abs().max() < 0.02
    assert found[46:].abs().max() < 0.02


def test_largest_stable_step_with_diffusion():
    # White noise contains every mode; unstable ones grow within a few hundred steps.
    grid = periodic_grid((24, 20), (LENGTH, 3.0))
    weno, velocity, noise = Weno(grid), uniform(1.0, -2.0), np.random.default_rng(0)
    start = torch.tensor(noise.standard_normal((1, *grid.shape)))
    for diffusivity in (0.0, 0.003, 0.1):
        bounds = Bounds([1.0, 2.0], {2: diffusivity}, 0.0)
        dt = SAFETY * largest_stable_dt(bounds, grid.spacing, weno)
        c = to_values(start, grid, SCALAR)
        step = compiled(
            lambda c, d=diffusivity: d * weno.laplacian(c) - weno.advect(velocity, c), dt
        )
        for _ in range(200):
            c = step(c)
        assert c.native(["x", "y"]).abs().max() < 1.01 * start.abs().max()


@pytest.mark.parametrize("on_wall", [None, False, True])
def test_derivatives_of_a_compiled_step(on_wall):
    sides = (PERIODIC, PERIODIC) if on_wall is None else (0.3, ZERO_GRADIENT)
    grid = Grid(("x",), (30,), (0.0,), (LENGTH,), (sides,), (bool(on_wall),))
    u = torch.sin(7 * torch.linspace(0, LENGTH, 30, dtype=torch.float64)) + 0.2
    state = math.reshaped_tensor(
        u[None], [channel(vector="x"), *to_values(u[None], grid, SCALAR).shape]
    )
    weno = Weno(grid)

    @math.jit_compile
    def step(u: math.Tensor, parameters: math.Tensor) -> math.Tensor:
        def rate(state, _):
            now = state["u"]
            return {
                "u": parameters[0] * weno.laplacian(now) - parameters[1] * weno.advect(now, now)
            }

        return runge_kutta_4(rate, {"u": u}, 0.01)["u"]

    def final(values: torch.Tensor) -> torch.Tensor:
        now = state
        for _ in range(5):
            now = step(now, math.wrap(values, channel("p")))
        return now.native(["vector", "x"])

    start = torch.tensor([0.002, 1.0], dtype=torch.float64)
    with torch.no_grad():
        final(start)
    for direction in torch.eye(2, dtype=torch.float64):
        h = 1e-6
        expected = (final(start + h * direction) - final(start - h * direction)) / (2 * h)
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(start, direction)
            forward = torch.autograd.forward_ad.unpack_dual(final(dual)).tangent
        torch.testing.assert_close(forward, expected, rtol=1e-6, atol=1e-7)
        traced = start.clone().requires_grad_()
        (final(traced) * expected).sum().backward()
        assert float(traced.grad @ direction) == pytest.approx(float(expected.square().sum()), 1e-6)
