"""Semi-Lagrangian advection against PhiFlow and closed forms, at walls, and with NaN."""

import subprocess
import sys
import warnings
from math import log, pi

import numpy as np
import pytest
import torch
from phi.torch.flow import Box, CenteredGrid, advect, extrapolation, math, vec

from hybrid_pde.data.field_conversion import to_values
from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, FieldLayout, Grid, Side
from hybrid_pde.numerics.semi_lagrangian import METHODS, SplitAdvection, numerical_diffusivity
from tests.conftest import ROOT
from tests.physics.periodic_box import coordinates, periodic_grid

LENGTH = 0.7
SCALAR = FieldLayout("c")
BOX = periodic_grid((20, 15), (LENGTH, 3.0))


@pytest.fixture(autouse=True)
def double_precision():
    with math.precision(64):
        yield


def noise(*shape: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(0).standard_normal(shape))


def walled(shape: tuple[int, ...], sides: tuple[tuple[Side, Side], ...], on_wall: bool) -> Grid:
    """A box with unequal spacings; ``on_wall`` applies to axes that are not periodic."""
    nodes = tuple(on_wall and PERIODIC not in pair for pair in sides)
    upper = (LENGTH, 3.0)[: len(shape)]
    return Grid(("x", "y")[: len(shape)], shape, (0.0,) * len(shape), upper, sides, nodes)


def uniform(**speeds: float) -> math.Tensor:
    return vec(**{axis: math.wrap(float(speed)) for axis, speed in speeds.items()})


def moved(grid: Grid, c: torch.Tensor, velocity: math.Tensor, dt: float, **how) -> torch.Tensor:
    """``c`` [*space] after one step."""
    split = SplitAdvection(grid, how.get("method", "semi_lagrangian"))
    split = split.with_boundary(how.get("boundary", {}))
    state = {"c": to_values(c[None], grid, SCALAR)}
    return split.transport(state, velocity, math.wrap(dt))["c"].native([*grid.axes])


@pytest.mark.parametrize("side", [PERIODIC, ZERO_GRADIENT])
@pytest.mark.parametrize("method", METHODS)
def test_steps_are_those_of_phiflow(method, side):
    grid = walled(BOX.shape, ((side, side),) * 2, on_wall=False)
    v, c = noise(2, 2, *BOX.shape), noise(2, 1, *BOX.shape)
    state = {
        "v": to_values(v, grid, FieldLayout("v", ("x", "y"))),
        "c": to_values(c, grid, SCALAR),
    }
    found = SplitAdvection(grid, method).transport(state, state["v"], math.wrap(0.1))
    boundary = extrapolation.PERIODIC if side == PERIODIC else extrapolation.ZERO_GRADIENT
    box = Box(x=LENGTH, y=3.0)
    for name, values in state.items():
        velocity = CenteredGrid(state["v"], boundary, box)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            step = getattr(advect, method)(CenteredGrid(values, boundary, box), velocity, 0.1)
        dims = values.shape.names
        torch.testing.assert_close(found[name].native(dims), step.values.native(dims))


@pytest.mark.parametrize("method", METHODS)
def test_a_scalar_advects_itself_along_every_axis(method):
    c = noise(1, 1, *BOX.shape)
    speed = to_values(c, BOX, SCALAR)
    velocity = to_values(c.expand(1, 2, *BOX.shape), BOX, FieldLayout("v", ("x", "y")))
    split = SplitAdvection(BOX, method)
    found = split.transport({"c": speed}, speed, math.wrap(0.1))["c"]
    expected = split.transport({"c": speed}, velocity, math.wrap(0.1))["c"]
    math.assert_close(found, expected, rel_tolerance=0, abs_tolerance=1e-13)
    assert not math.close(found, speed, 1e-3)


@pytest.mark.parametrize("courant", [3.0, -2.25, 41.6])
def test_on_a_line_the_step_is_linear_interpolation(courant):
    grid = periodic_grid((16,), (LENGTH,))
    c, dx = noise(16), grid.spacing[0]
    for velocity in (uniform(x=courant * dx), math.wrap(courant * dx)):
        found = moved(grid, c, velocity, 1.0)
        places = np.arange(16) - courant
        expected = np.interp(places, np.arange(16), c.numpy(), period=16)
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("on_wall", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_a_periodic_axis_wraps_next_to_walls(method, on_wall):
    grid = walled(BOX.shape, ((PERIODIC, PERIODIC), (ZERO_GRADIENT, 0.3)), on_wall)
    c = noise(*BOX.shape)
    found = moved(grid, c, uniform(x=7 * grid.spacing[0], y=0.0), 1.0, method=method)
    expected = torch.roll(c, 7, 0)
    if on_wall:
        expected[:, -1] = c[:, -1]  # fixed at the prescribed value
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("method", METHODS)
def test_inflow_has_the_value_at_the_wall(method):
    grid = walled((16,), ((0.0, ZERO_GRADIENT),), on_wall=False)
    c, dx = noise(16), grid.spacing[0]
    inflow = {"boundary.x.lower": math.wrap(2.0)}
    found = moved(grid, c, uniform(x=4 * dx), 1.0, boundary=inflow, method=method)
    # The value at the wall, half a spacing before the first point, arrives 3.5 spacings downstream.
    assert found[:4] == pytest.approx([2.0] * 4, abs=1e-12)
    # Downstream of that, MacCormack's backward step would start beyond the other wall.
    torch.testing.assert_close(found[4:12], c[:8])
    out = moved(grid, c, uniform(x=-40 * dx), 1.0, boundary=inflow, method=method)
    torch.testing.assert_close(out, c[-1].expand(16))


def test_points_on_a_wall_keep_a_prescribed_value():
    grid = walled((16,), ((0.0, ZERO_GRADIENT),), on_wall=True)
    c, dx = noise(16), grid.spacing[0]
    found = moved(grid, c, uniform(x=-3 * dx), 1.0)
    torch.testing.assert_close(found, torch.cat([c[:1], c[4:], c[-1:].expand(3)]))


@pytest.mark.parametrize(("method", "order"), [("semi_lagrangian", 1), ("mac_cormack", 2)])
def test_order_at_a_fixed_courant_number(method, order):
    errors = []
    for n in (60, 120):
        grid = periodic_grid((n,), (LENGTH,))
        split, dx = SplitAdvection(grid, method), grid.spacing[0]
        phase = 2 * pi * coordinates(grid)[0] / LENGTH
        steps, c = n // 4, to_values(torch.sin(phase)[None], grid, SCALAR)
        step = math.jit_compile(
            lambda c, split=split, dx=dx: split.transport(
                {"c": c}, uniform(x=0.4 * dx), math.wrap(1.0)
            )["c"]
        )
        for _ in range(steps):
            c = step(c)
        exact = torch.sin(phase - 2 * pi * 0.4 * dx * steps / LENGTH)
        # The mean error: MacCormack's limiter is first order at a point or two near extrema.
        errors.append(float((c.native(["x"]) - exact).abs().mean()))
    assert abs(log(errors[0] / errors[1], 2) - order) < 0.2


@pytest.mark.parametrize("courant", [0.2, 0.5, 3.5])
def test_numerical_diffusivity(courant):
    # The wave decays as exp(-D k² t); the relative error of the measurement is (k dx)²/12.
    grid = periodic_grid((64,), (LENGTH,))
    dx, dt, k = grid.spacing[0], 0.03, 2 * pi / LENGTH
    wave = torch.exp(1j * k * coordinates(grid)[0].to(torch.complex128))
    speed = courant * dx / dt
    parts = [moved(grid, part, uniform(x=speed), dt) for part in (wave.real, wave.imag)]
    decay = float(torch.complex(*parts).abs().mean())
    assert numerical_diffusivity([speed], [dx], dt) == pytest.approx(-log(decay) / k**2 / dt, 0.01)


def test_numerical_diffusivity_is_the_largest():
    assert numerical_diffusivity([0.0], [0.1], 0.5) == 0.0
    # At less than three spacings per step, half a spacing is the worst case, on the coarser axis.
    assert numerical_diffusivity([0.6], [0.1], 0.5) == pytest.approx(0.1**2 / 8 / 0.5)
    assert numerical_diffusivity([0.6, 0.02], [0.1, 0.2], 0.5) == pytest.approx(0.1**2 / 8 / 0.5)
    assert numerical_diffusivity([0.02, 0.6], [0.1, 0.2], 0.5) == pytest.approx(0.2**2 / 8 / 0.5)


@pytest.mark.parametrize("method", METHODS)
def test_derivatives_in_reverse_mode(method):
    grid = walled((9, 8), ((PERIODIC, PERIODIC), (0.2, ZERO_GRADIENT)), on_wall=False)
    layout = FieldLayout("v", ("x", "y"))
    split = SplitAdvection(grid, method)

    @math.jit_compile
    def step(v: math.Tensor, wall: math.Tensor) -> math.Tensor:
        operators = split.with_boundary({"boundary.y.lower": wall})
        assert isinstance(operators, SplitAdvection)
        return operators.transport({"v": v}, v, math.wrap(0.05))["v"]

    def loss(v: torch.Tensor, wall: torch.Tensor) -> torch.Tensor:
        state = to_values(v, grid, layout)
        for _ in range(2):
            state = step(state, math.wrap(wall))
        return state.native(["vector", "x", "y"]).square().sum()

    v, wall = noise(2, 9, 8), torch.tensor(0.2, dtype=torch.float64)
    toward = torch.tensor(np.random.default_rng(1).standard_normal((2, 9, 8)))
    with torch.no_grad():
        loss(v, wall)
    h = 1e-6
    expected = (loss(v + h * toward, wall + h) - loss(v - h * toward, wall - h)) / (2 * h)
    v.requires_grad_()
    wall.requires_grad_()
    loss(v, wall).backward()
    assert abs(float(wall.grad)) > 1e-3
    found = float((v.grad * toward).sum() + wall.grad)
    assert found == pytest.approx(float(expected), rel=1e-6)


def test_there_is_no_forward_mode():
    assert not SplitAdvection.has_forward_mode
    c = noise(*BOX.shape)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(c, torch.ones_like(c))
        with pytest.raises(NotImplementedError, match="forward AD"):
            moved(BOX, dual, uniform(x=0.1, y=0.2), 1.0)


def test_advection_is_not_part_of_the_rate():
    split = SplitAdvection(BOX, "mac_cormack")
    c = to_values(noise(1, *BOX.shape), BOX, SCALAR)
    assert split.advect(uniform(x=1.0, y=2.0), c).native(["x", "y"]).abs().max() == 0
    assert split.eigenvalue(1) == 0
    assert split.eigenvalue(2) == pytest.approx(4.0)


NOT_A_NUMBER = """
import itertools, sys, warnings, torch
warnings.simplefilter("ignore")
from phi.torch.flow import math
from hybrid_pde.data.field_conversion import to_values
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.numerics.semi_lagrangian import SplitAdvection
from tests.physics.periodic_box import periodic_grid
with math.precision(64):
    for method, dims in itertools.product(sys.argv[1:], (1, 2)):
        print(method, dims, flush=True)
        grid = periodic_grid((8, 6)[:dims], (0.7, 3.0)[:dims])
        split = SplitAdvection(grid, method)
        layout = FieldLayout("v", grid.axes)
        step = math.jit_compile(lambda v: split.transport({"v": v}, v, math.wrap(0.1))["v"])
        step(to_values(torch.zeros(1, dims, *grid.shape, dtype=torch.float64), grid, layout))
        for bad in (float("nan"), float("inf"), -1e300):
            v = torch.ones(1, dims, *grid.shape, dtype=torch.float64)
            v.view(-1)[5] = bad
            v.requires_grad_()
            after = step(step(to_values(v, grid, layout))).native(["window", "vector", *grid.axes])
            after.sum().backward()
            finite = bool(after.isfinite().all())
            assert finite == (bad == -1e300), (bad, finite)
print("survived")
"""


def test_nan_is_kept_and_does_not_crash_the_process():
    # In a subprocess: an index out of range in a compiled step would kill the process.
    done = subprocess.run(
        [sys.executable, "-c", NOT_A_NUMBER, *METHODS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    tried = [f"{method} {dims}" for method in METHODS for dims in (1, 2)]
    assert (done.returncode, done.stdout.splitlines()) == (0, [*tried, "survived"]), done.stderr
