"""Initial states between walls: boundary conditions, spectra, means and divergence."""

from itertools import product

import numpy as np
import pytest
import torch
from phi.torch.flow import math

from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.schema import GaussianRandomField
from hybrid_pde.data.field_conversion import to_values
from hybrid_pde.data.initial_states.random_fields import gaussian_random_state, resembling_state
from hybrid_pde.data.initial_states.wall_modes import BoxModes, fixed_values, lift, wall_distance
from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, FieldLayout, Grid, Side, axis_points
from hybrid_pde.models.physical.ensemble import projections
from hybrid_pde.numerics.projection import project
from tests.physics.corner_divergence import corner_divergence

FREE, WAVES = ZERO_GRADIENT, (PERIODIC, PERIODIC)
SIDES: list[tuple[Side, Side]] = [(FREE, FREE), (0.5, 0.5), (1.0, FREE), (FREE, -2.0), (1.0, 3.0)]
CASES = [*product(SIDES, [False, True])]
LAYOUTS = [FieldLayout("u"), FieldLayout("v", ("x", "y"))]


def grid_of(
    sides: tuple[Side, Side],
    nodes: bool,
    other: tuple[Side, Side] = WAVES,
    shape: tuple[int, int] = (41, 24),
) -> Grid:
    """A grid with the given axis x and periodic y, unequal spacings and an offset origin."""
    return Grid(("x", "y"), shape, (0.5, -1.0), (2.9, 0.1), (sides, other), (nodes, False))


def slope_at_walls(values: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """One-sided fourth-order derivatives ∂u/∂x at the walls from the nearest five points."""
    points = axis_points(grid)["x"]
    found = []
    for wall, part in ((grid.lower[0], slice(0, 5)), (grid.upper[0], slice(-5, None))):
        powers = np.vander(points[part] - wall, 5, increasing=True)
        weights = np.linalg.inv(powers)[1]
        found.append(np.tensordot(weights, np.moveaxis(values, -2, 0)[part], axes=1))
    return found[0], found[1]


def value_at_walls(values: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    points = axis_points(grid)["x"]
    found = []
    for wall, part in ((grid.lower[0], slice(0, 5)), (grid.upper[0], slice(-5, None))):
        weights = np.linalg.inv(np.vander(points[part] - wall, 5, increasing=True))[0]
        found.append(np.tensordot(weights, np.moveaxis(values, -2, 0)[part], axes=1))
    return found[0], found[1]


def assert_walls_are_kept(values: np.ndarray, grid: Grid, walls: dict[str, float]) -> None:
    """Check the walls by extrapolation from the nearest five points of a smooth field."""
    held = fixed_values(grid, walls)
    size, length = np.ptp(values), 0.4
    at, slopes = value_at_walls(values, grid), slope_at_walls(values, grid)
    for number, side in enumerate(("lower", "upper")):
        key = f"boundary.x.{side}"
        if key in held:
            np.testing.assert_allclose(at[number], held[key], atol=2e-3 * size)
        else:
            np.testing.assert_allclose(slopes[number], 0, atol=2e-2 * size / length)


@pytest.mark.parametrize(("sides", "nodes"), CASES)
def test_random_state_keeps_walls_amplitude_and_mean(sides: tuple[Side, Side], nodes: bool) -> None:
    grid = grid_of(sides, nodes)
    settings = GaussianRandomField(amplitude=0.7, length_scale=0.4, mean=0.3)
    state = gaussian_random_state(grid, LAYOUTS, settings, (0, 3))
    for values in state.values():
        assert_walls_are_kept(values, grid, {})
        about = values - lift(grid, {})
        assert about.mean(axis=(1, 2)) == pytest.approx(0.3, abs=1e-12)
        random = about - 0.3 * wall_distance(grid)
        assert random.std(axis=(1, 2)) == pytest.approx(0.7, rel=1e-12)


@pytest.mark.parametrize(("sides", "nodes"), CASES)
def test_resembling_state_keeps_walls_and_spectrum(sides: tuple[Side, Side], nodes: bool) -> None:
    grid = grid_of(sides, nodes)
    walls = {"boundary.x.lower": 2.5}  # for this simulation only; irrelevant without fixed values
    settings = GaussianRandomField(amplitude=0.4, length_scale=0.4, mean=1.0)
    original = gaussian_random_state(grid, LAYOUTS, settings, (1, 0), walls)
    modes, steady = BoxModes(grid), lift(grid, walls)
    changes = []
    for index in range(8):
        state = resembling_state(original, grid, (2, index), walls)
        for name, values in state.items():
            assert values.dtype == np.float64
            assert_walls_are_kept(values, grid, walls)
            before, after = (modes.forward(v - steady) for v in (original[name], values))
            np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-9)
            if (
                sides == (FREE, FREE) and not nodes
            ):  # at nodes it is the mean by the trapezoidal rule
                assert values.mean() == pytest.approx(original[name].mean(), rel=1e-12)
                assert values.std() == pytest.approx(original[name].std(), rel=1e-12)
        changes.append(np.abs(state["u"] - original["u"]).max())
    assert min(changes) > 0.1, "every state differs from the source"


def test_lowest_mode_stays_between_fixed_walls() -> None:
    """The lowest mode keeps its sign, which distinguishes hot from cold."""
    grid = grid_of((0.0, 0.0), False)
    x = axis_points(grid)["x"]
    hump = np.sin(np.pi * (x - 0.5) / 2.4)[:, None] * np.ones(24)
    for index in range(6):
        state = resembling_state({"u": hump[None]}, grid, (0, index))["u"][0]
        np.testing.assert_allclose(state, hump, atol=1e-12)


@pytest.mark.parametrize(("sides", "nodes"), CASES)
def test_every_mode_is_an_eigenfunction_of_the_second_difference(
    sides: tuple[Side, Side], nodes: bool
) -> None:
    """Second differences multiply a mode by (2 cos k dx − 2)/dx² along each axis, exactly."""
    grid = grid_of(sides, nodes)
    modes = BoxModes(grid)
    squares = modes.wavenumber_squared()
    for i, j in ((0, 0), (1, 0), (3, 2)):
        one = np.zeros(squares.shape, dtype=complex)
        one[i, j] = one[i, -j] = 1.0
        u = modes.backward(one[None])[0]
        k = np.sqrt([squares[i, 0], squares[0, j] - squares[0, 0]])
        assert squares[i, j] == pytest.approx((k**2).sum())
        across = np.roll(u, 1, 1) + np.roll(u, -1, 1) - 2 * u
        for found, wavenumber, spacing in zip(
            (np.diff(u, 2, axis=0), across[1:-1]), k, grid.spacing, strict=True
        ):
            factor = 2 * np.cos(wavenumber * spacing) - 2
            np.testing.assert_allclose(found, factor * u[1:-1], atol=1e-12 * np.abs(u).max())


def test_correlation_between_walls_includes_mirror_images() -> None:
    """Covariance of points at x and x': C(x − x') ± C(x + x') beside a wall at 0."""
    length, num, size = 0.15, 1500, 8.0
    settings = GaussianRandomField(amplitude=1.0, length_scale=length)
    # subtracting the mean lowers every covariance by the mean of C over the box
    taken = np.sqrt(2 * np.pi) * length / size
    for sides, sign in (((FREE, FREE), 1.0), ((0.0, 0.0), -1.0)):
        grid = Grid(("x",), (80,), (0.0,), (size,), (sides,), (False,))
        x = axis_points(grid)["x"]
        layout = [FieldLayout("u")]
        drawn = np.stack(
            [gaussian_random_state(grid, layout, settings, (5, i))["u"][0] for i in range(num)]
        )
        covariance = drawn.T @ drawn / num

        def bell(distance: np.ndarray) -> np.ndarray:
            return np.exp(-(distance**2) / (2 * length**2))

        for near in (0, 1, 2):
            expected = bell(x[near] - x[:8]) + sign * bell(x[near] + x[:8])
            # a standard error is √(2/1500) = 0.04 of a variance of up to 2; ``taken`` is 0.05
            np.testing.assert_allclose(covariance[near, :8], expected - taken, atol=0.16)
        # contribution of the mirror image: 1 without it, 0 or 2 with the wrong sign
        assert covariance[0, 0] == pytest.approx(1 + sign * bell(2 * x[0]), abs=0.2)


def test_walls_on_several_axes_meet_at_common_corners() -> None:
    for nodes in (False, True):
        both = Grid(
            ("x", "y"), (21, 17), (0.0, 0.0), (2.0, 1.0), ((3.0, 3.0), (3.0, FREE)), (nodes,) * 2
        )
        np.testing.assert_allclose(lift(both, {}), 3.0, rtol=1e-14)
    nodal = Grid(
        ("x", "y"), (21, 17), (0.0, 0.0), (2.0, 1.0), ((1.0, 2.0), (0.0, FREE)), (True, True)
    )
    field = lift(nodal, {})
    np.testing.assert_allclose(field[0, 1:], 1.0, rtol=1e-12)
    np.testing.assert_allclose(field[-1, 1:], 2.0, rtol=1e-12)
    np.testing.assert_allclose(field[1:-1, 0], 0.0, atol=1e-12)
    assert field[0, 0] == pytest.approx(0.5), "a common corner"
    settings = GaussianRandomField(length_scale=0.2)
    state = gaussian_random_state(nodal, [FieldLayout("u")], settings, (0, 0))["u"][0]
    np.testing.assert_allclose(state[0, 1:], 1.0, rtol=1e-12)
    np.testing.assert_allclose(state[1:-1, 0], 0.0, atol=1e-12)


@pytest.mark.parametrize("other", [WAVES, (0.0, 0.0), (0.0, FREE)])
@pytest.mark.parametrize("sides", [(0.0, 0.0), WAVES, (0.0, FREE)])
def test_solenoidal_state_has_no_divergence(
    sides: tuple[Side, Side], other: tuple[Side, Side]
) -> None:
    """Discrete divergence as in the solver, compared with the state before projection."""
    grid = grid_of(sides, False, other, (20, 24))
    layout = FieldLayout("v", ("x", "y"))
    settings = GaussianRandomField(amplitude=0.6, length_scale=0.3)
    fields = projections(built_in_equations()["NavierStokesPDE"], ["v"], grid)
    free = gaussian_random_state(grid, [layout], settings, (0, 0), solenoidal=fields)["v"]
    drawn = gaussian_random_state(grid, [layout], settings, (0, 0))["v"]
    assert np.sqrt(free.var(axis=(1, 2)).mean()) == pytest.approx(0.6, rel=0.05)
    alike = resembling_state({"v": free}, grid, (0, 1), solenoidal=fields)["v"]
    assert np.abs(alike - free).max() > 0.1
    with math.precision(64):
        values, as_drawn = (to_values(torch.from_numpy(v), grid, layout) for v in (free, drawn))
        changed = math.max(math.abs(project(values, grid) - values))
        assert float(changed.max) < 1e-12, "the projection leaves it unchanged"
        other_state = to_values(torch.from_numpy(alike), grid, layout)
        changed = math.max(math.abs(project(other_state, grid) - other_state))
        assert float(changed.max) < 1e-12
        before = math.max(math.abs(project(as_drawn, grid) - as_drawn))
        assert float(before.max) > 0.1
        if not grid.is_periodic:
            divergence = corner_divergence(values, grid)
            assert float(math.max(math.abs(divergence)).max) < 1e-11
