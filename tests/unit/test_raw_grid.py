"""Grid of raw files: ends of the domain and boundary conditions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_pde.data.raw_files.formats import open_raw
from hybrid_pde.domain.boundary import BoundaryError, parse_boundary
from hybrid_pde.domain.grid import Grid, axis_points
from hybrid_pde.errors import ConfigError, RawDataError
from tests.unit.raw_files import cells, experiment, write_file

TIMES = np.arange(3) * 0.1


def grid_of(tmp_path: Path, x: np.ndarray, stated: Any = None, **data: Any) -> Grid:
    attrs = {"": {"boundary": stated}} if stated is not None else {}
    values = np.zeros((3, len(x)))
    path = write_file(
        tmp_path / "a.nc", {"time": TIMES, "x": x}, {"u": (("time", "x"), values)}, attrs=attrs
    )
    with open_raw(path, experiment(tmp_path, **data).data) as raw:
        return raw.info.grid


def test_periodic_without_a_domain(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, np.linspace(0, 2, 4, endpoint=False))
    assert (grid.lower, grid.upper) == ((-0.25,), (1.75,))


@pytest.mark.parametrize("first", [0.0, 0.25, 0.1, 0.5])
def test_points_of_a_periodic_box_stay_where_they_are(tmp_path: Path, first: float) -> None:
    x = first + np.arange(4) * 0.5
    grid = grid_of(tmp_path, x, domain={"x": [0, 2]})
    np.testing.assert_allclose(axis_points(grid)["x"], x, rtol=1e-12)
    assert (grid.upper[0] - grid.lower[0], grid.nodes_on_boundary) == (2.0, (False,))
    if first == 0.25:
        assert (grid.lower, grid.upper) == ((0.0,), (2.0,))


def test_periodic_box_of_another_length(tmp_path: Path) -> None:
    message = r"a periodic box of 5 points is 2\.5 long; the first and the last point are the same"
    with pytest.raises(RawDataError, match=message):
        grid_of(tmp_path, np.linspace(0, 2, 5), domain={"x": [0, 2]})
    cropped = {"crop": {"x": [None, 1.75]}}
    grid = grid_of(tmp_path, np.linspace(0, 2, 5), domain={"x": [0, 2]}, select=cropped)
    assert (grid.shape, grid.upper, grid.is_periodic) == ((4,), (1.75,), True)


def test_nodes_or_cells(tmp_path: Path) -> None:
    nodes = grid_of(tmp_path, np.linspace(0, 2, 5), 0.0, domain={"x": [0, 2]})
    assert (nodes.nodes_on_boundary, nodes.spacing) == ((True,), (0.5,))
    centres = grid_of(tmp_path, cells(4, 2.0), 0.0, domain={"x": [0, 2]})
    assert (centres.nodes_on_boundary, centres.spacing) == ((False,), (0.5,))
    default = grid_of(tmp_path, np.linspace(0, 2, 5), 0.0)
    assert (default.lower, default.upper, default.spacing) == ((-0.25,), (2.25,), (0.5,))
    with pytest.raises(RawDataError, match=r"either \[0, 2\] .* or \[-0\.25, 2\.25\]"):
        grid_of(tmp_path, np.linspace(0, 2, 5), 0.0, domain={"x": [0, 3]})
    with pytest.raises(ConfigError, match=r"data\.domain\.x: \[2\.0, 0\.0\]: the upper end"):
        grid_of(tmp_path, np.linspace(0, 2, 5), 0.0, domain={"x": [2, 0]})
    with pytest.raises(ConfigError, match=r"coarsen\.x: 5: the points lie on the boundary"):
        grid_of(
            tmp_path,
            np.linspace(0, 2, 5),
            0.0,
            domain={"x": [0, 2]},
            select={"coarsen": {"x": 5}},
        )


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("zero-gradient", ("zero-gradient", "zero-gradient")),
        ("0.5", (0.5, 0.5)),
        (2.0, (2.0, 2.0)),
        ('{"x": {"lower": 1.0, "upper": "zero-gradient"}}', (1.0, "zero-gradient")),
    ],
)
def test_boundary_from_the_file(tmp_path: Path, stated: Any, expected: tuple[Any, Any]) -> None:
    assert grid_of(tmp_path, cells(4), stated).boundary == (expected,)


def test_experiment_wins_over_file(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, cells(4), "periodic", boundary={"x": "zero-gradient"})
    assert grid.boundary == (("zero-gradient", "zero-gradient"),)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("neumann", "'neumann': allowed: periodic"),
        (True, "True: allowed"),
        (float("nan"), "nan: allowed"),
        (None, "None: allowed"),
        ({"x": 0.0}, "an axis is missing; the axes are x, y"),
        ({"x": 0.0, "y": 0.0, "w": 1}, "no axis w"),
        ({"x": 0.0, "y": {"lower": 1}}, "the sides are 'lower' and 'upper'"),
        ({"x": 0.0, "y": {"lower": "periodic", "upper": 1}}, "periodic or none"),
    ],
)
def test_invalid_boundaries_are_rejected(value: Any, message: str) -> None:
    with pytest.raises(BoundaryError, match=message):
        parse_boundary(value, ("x", "y"))


def test_error_of_a_bad_boundary_names_its_source(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match=r"a\.nc: attribute boundary: 'open'"):
        grid_of(tmp_path, cells(4), "open")
    with pytest.raises(RawDataError, match="no valid JSON"):
        grid_of(tmp_path, cells(4), "{x: 1}")
    with pytest.raises(ConfigError, match=r"data\.boundary: 'open'"):
        grid_of(tmp_path, cells(4), boundary="open")
