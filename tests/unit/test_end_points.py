"""Points that include both ends of the domain are recognised by the values there."""

from pathlib import Path

import numpy as np
import pytest

from hybrid_pde.data.cache.raw_index import RawIndex, build_index
from hybrid_pde.errors import RawDataError
from tests.unit.raw_files import experiment, raw_path, write_file

TIMES = np.arange(8) * 0.1
NODES, CELLS = np.linspace(0.0, 2.0, 21), 0.1 * (np.arange(20) + 0.5)


def index_of(root: Path, boundary: object, x: np.ndarray, values: np.ndarray) -> RawIndex:
    times = TIMES[: len(values)]
    write_file(raw_path(root), {"time": times, "x": x}, {"u": (("time", "x"), values)})
    return build_index(experiment(root, boundary=boundary))


def between_walls(x: np.ndarray, offset: float = 0.0) -> np.ndarray:
    """Decaying modes that vanish at 0 and 2, with an offset."""
    modes = [np.exp(-k * TIMES)[:, None] * np.sin(k * np.pi * x / 2) for k in (1, 2, 3)]
    return offset + modes[0] + 0.5 * modes[1] - 0.2 * modes[2]


def periodic(x: np.ndarray, phase: float) -> np.ndarray:
    """Waves of period 2; symmetric about both ends for a phase of zero."""
    waves = [np.exp(-k * TIMES)[:, None] * np.cos(k * (np.pi * x + phase)) for k in (1, 2)]
    return 3.0 + waves[0] + 0.3 * waves[1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("offset", [0.0, 5.0, 300.0])
def test_points_on_walls_of_a_fixed_value(tmp_path: Path, offset: float, dtype: type) -> None:
    nodal = index_of(tmp_path, offset, NODES, between_walls(NODES, offset).astype(dtype)).grid
    assert (nodal.lower, nodal.upper, nodal.nodes_on_boundary) == ((0.0,), (2.0,), (True,))
    cells = index_of(tmp_path, offset, CELLS, between_walls(CELLS, offset).astype(dtype)).grid
    assert cells.nodes_on_boundary == (False,) and cells.upper == (pytest.approx(2.0),)


def test_a_fixed_value_on_one_side(tmp_path: Path) -> None:
    sides = {"x": {"lower": 0.0, "upper": "zero-gradient"}}
    values = np.exp(-TIMES)[:, None] * np.sin(np.pi * NODES / 4)
    assert index_of(tmp_path, sides, NODES, values).grid.nodes_on_boundary == (True,)


def test_an_initial_state_may_contradict_the_walls(tmp_path: Path) -> None:
    values = between_walls(NODES)
    values[0] = 1.0
    assert index_of(tmp_path, 0.0, NODES, values).grid.nodes_on_boundary == (True,)
    values[3, 0] = 0.1  # any other frame may not
    assert index_of(tmp_path, 0.0, NODES, values).grid.nodes_on_boundary == (False,)


@pytest.mark.parametrize("values", ["zero at both ends", "beside the wall", "too short"])
def test_values_that_show_nothing(tmp_path: Path, values: str) -> None:
    u = np.exp(-40 * (NODES - 1) ** 2) * (1 + TIMES[:, None])
    u = np.where(np.abs(NODES - 1) > 0.7, 0.0, u)
    if values == "beside the wall":
        u[5, 0] = 0.2
        u[:, 1] = 0.3
    if values == "too short":
        u, x = between_walls(np.linspace(0, 2, 4)), np.linspace(0, 2, 4)
        assert index_of(tmp_path, 0.0, x, u).grid.nodes_on_boundary == (False,)
        return
    assert index_of(tmp_path, 0.0, NODES, u).grid.nodes_on_boundary == (False,)


@pytest.mark.parametrize("phase", [0.0, 0.4, 2.0])
def test_a_repeated_point_of_a_periodic_axis_is_left_out(tmp_path: Path, phase: float) -> None:
    values = periodic(NODES, phase)
    index = index_of(tmp_path, "periodic", NODES, values)
    assert index.grid.shape == (20,)
    assert index.grid.spacing == pytest.approx((0.1,))
    assert index.grid.upper[0] - index.grid.lower[0] == pytest.approx(2.0)
    whole = index_of(tmp_path, "periodic", CELLS, periodic(CELLS, phase)).grid
    assert whole.shape == (20,) and whole.upper == (pytest.approx(2.0),)


def test_a_stated_domain_and_a_crop_are_taken_as_they_are(tmp_path: Path) -> None:
    write_file(
        raw_path(tmp_path), {"time": TIMES, "x": NODES},
        {"u": (("time", "x"), between_walls(NODES))},
    )  # fmt: skip
    cells = build_index(experiment(tmp_path, boundary=0.0, domain={"x": (-0.05, 2.05)})).grid
    assert cells.nodes_on_boundary == (False,)
    part = build_index(experiment(tmp_path, boundary=0.0, select={"crop": {"x": [0, 1]}})).grid
    assert part.nodes_on_boundary == (False,)


def test_other_files_follow_the_first(tmp_path: Path) -> None:
    flat, shown = np.zeros((8, 21)), between_walls(NODES)
    flat[:, 8:12] = 1 + TIMES[:, None]
    for name, values in (("a.nc", shown), ("b.nc", flat)):
        write_file(
            raw_path(tmp_path, name), {"time": TIMES, "x": NODES}, {"u": (("time", "x"), values)}
        )
    assert build_index(experiment(tmp_path, boundary=0.0)).num_simulations == 2
    raw_path(tmp_path, "b.nc").rename(raw_path(tmp_path, "0.nc"))
    message = r"a\.nc: x: the values show .* set data\.domain: {x: \[0, 2\]}"
    with pytest.raises(RawDataError, match=message):
        build_index(experiment(tmp_path, boundary=0.0))
    assert build_index(experiment(tmp_path, boundary=0.0, domain={"x": (0, 2)})).num_simulations


def test_two_axes_of_different_kinds(tmp_path: Path) -> None:
    y = 0.5 * (np.arange(6) + 0.5)
    values = between_walls(NODES)[:, :, None] * (2 + np.sin(2 * np.pi * y / 3))
    write_file(
        raw_path(tmp_path), {"time": TIMES, "x": NODES, "y": y},
        {"u": (("time", "x", "y"), values)},
    )  # fmt: skip
    boundary = {"x": 0.0, "y": "periodic"}
    grid = build_index(experiment(tmp_path, boundary=boundary)).grid
    assert (grid.nodes_on_boundary, grid.shape) == ((True, False), (21, 6))


def test_equal_roundings_are_no_repeated_point(tmp_path: Path) -> None:
    """Of a variation of a few roundings, values at both ends are equal by chance."""
    steps = np.round(2 * np.cos(np.pi * CELLS + 0.4)) * np.spacing(np.float32(288.15))
    few = (np.float32(288.15) + steps + 0 * TIMES[:, None]).astype(np.float32)
    assert np.array_equal(few[:, 0], few[:, -1])
    assert index_of(tmp_path, "periodic", CELLS, few).grid.shape == (20,)


def test_values_rounded_to_the_wall_value_are_no_points_on_it(tmp_path: Path) -> None:
    cells = np.round(between_walls(CELLS), 0)
    assert index_of(tmp_path, 0.0, CELLS, cells).grid.nodes_on_boundary == (False,)


@pytest.mark.parametrize("boundary", [0.0, "zero-gradient"])
def test_likely_points_on_walls_are_named(tmp_path: Path, boundary: object) -> None:
    def values(x: np.ndarray, noise: float) -> np.ndarray:
        even = np.exp(-TIMES)[:, None] * (np.cos(np.pi * x / 2) + 0.5 * np.cos(np.pi * x))
        u = between_walls(x) if boundary == 0.0 else even
        return u + noise * np.random.default_rng(0).normal(size=u.shape)

    noise = 0.005 if boundary == 0.0 else 0.0
    nodal = index_of(tmp_path, boundary, NODES, values(NODES, noise))
    assert nodal.grid.nodes_on_boundary == (False,)
    assert nodal.units.likely_ends == ("data.domain: {x: [0, 2]}",)
    assert not index_of(tmp_path, boundary, CELLS, values(CELLS, noise)).units.likely_ends
