"""Known parameters in file names, and those whose components are separate variables."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_pde.data import DataManager
from hybrid_pde.errors import ConfigError, RawDataError
from tests.unit.raw_files import cells, experiment, raw_path, wave, write_file

TIMES = np.arange(5) * 0.5
X = cells(6, 3.0)
Y = cells(4, 1.0)
U = wave(TIMES, X, Y)
SPACE = ("x", "y")


def write(path: Path) -> Path:
    return write_file(path, {"time": TIMES, "x": X, "y": Y}, {"u": (("time", *SPACE), U)})


def manager(root: Path, known: dict[str, Any]) -> DataManager:
    config = experiment(root, known_parameters=known)
    return DataManager(config.raw_dir, config.cache_root, config)


PATTERNS = {"a": "Du={}_*", "b": "*_Dv={}_k=*", "k": "k={}.nc"}


def named(patterns: dict[str, str]) -> dict[str, Any]:
    return {name: {"from": "filename", "pattern": each} for name, each in patterns.items()}


def test_numbers_in_file_names(tmp_path: Path) -> None:
    for name in ("Du=0.1_Dv=2e-3_k=-5.nc", "Du=0.2_Dv=.5_k=7.nc"):
        write(raw_path(tmp_path, name))
    store = manager(tmp_path, named(PATTERNS))
    values = [{name: float(each) for name, each in store.load(n).known.items()} for n in (0, 1)]
    assert values == [{"a": 0.1, "b": 0.002, "k": -5.0}, {"a": 0.2, "b": 0.5, "k": 7.0}]


def test_a_renamed_file_has_the_number_of_its_new_name(tmp_path: Path) -> None:
    write(raw_path(tmp_path, "nu=0.1.nc"))
    known = named({"nu": "nu={}.nc"})
    assert manager(tmp_path, known).load(0).known["nu"] == 0.1
    raw_path(tmp_path, "nu=0.1.nc").rename(raw_path(tmp_path, "nu=0.25.nc"))
    assert manager(tmp_path, known).load(0).known["nu"] == 0.25


@pytest.mark.parametrize(
    ("name", "pattern", "message"),
    [
        ("a.nc", "nu={}.nc", "'nu={}.nc' finds no number in the file's name 'a.nc'"),
        ("nu=x.nc", "nu={}.nc", "finds no number"),
        ("nu=0.1.nc", "nu=0.{}.nc", "finds no number"),
        ("case.1.nc", "case.{}.nc", None),
        ("nu=0.12.nc", "nu={}2.nc", "finds no number"),
        ("nu=1_nu=2.nc", "nu={}", r"finds several numbers \(1, 2\)"),
        ("nu=1e999.nc", "nu={}", "finds several|finds no number"),
    ],
)
def test_a_pattern_has_to_find_one_number(
    tmp_path: Path, name: str, pattern: str, message: str | None
) -> None:
    path = write(raw_path(tmp_path, name))
    store = manager(tmp_path, named({"nu": pattern}))
    if message is None:
        assert store.load(0).known["nu"] == 1
        return
    with pytest.raises(RawDataError, match=message) as error:
        store.load(0)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"from": "filename"}, r"known_parameters\.nu\.pattern: missing"),
        ({"from": "filename", "pattern": "nu"}, r"nu\.pattern: 'nu': must have \{\} once"),
        ({"from": "folder", "pattern": "{}"}, r"nu\.from: 'folder': input should be 'filename'"),
        ({"form": "filename", "pattern": "{}"}, r"'form' is unknown.*Allowed: from, pattern"),
        ([], r"known_parameters\.nu: \[\]: list should have at least 1 item"),
    ],
)
def test_sources_of_a_wrong_form_are_errors(tmp_path: Path, source: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        experiment(tmp_path, known_parameters={"nu": source})


@pytest.mark.parametrize("dims", [SPACE, ("time", *SPACE), (), ("time",)])
def test_components_in_separate_variables(tmp_path: Path, dims: tuple[str, ...]) -> None:
    shape = tuple({"time": 5, "x": 6, "y": 4}[dim] for dim in dims)
    first = np.random.default_rng(0).normal(size=shape)
    path = raw_path(tmp_path)
    variables = {"v": (dims, -2 * first), "u_current": (dims, first)}
    write_file(path, {"time": TIMES, "x": X, "y": Y}, {"u": (("time", *SPACE), U), **variables})
    simulation = manager(tmp_path, {"velocity": ["u_current", "v"]}).load(0)
    wanted = np.stack([first, -2 * first], 1 if "time" in dims else 0)
    np.testing.assert_allclose(simulation.known["velocity"], wanted, rtol=1e-6)


def test_components_are_decoded_and_have_to_belong_together(tmp_path: Path) -> None:
    packed = np.round(U[0] * 10).astype(np.int16)
    variables = {
        "u": (("time", *SPACE), U), "vx": (SPACE, packed), "vy": (SPACE, U[1]),
        "w": (("x",), X), "other": (SPACE, U[1]),
    }  # fmt: skip
    attrs = {
        "vx": {"scale_factor": 0.1, "units": "m s-1"}, "vy": {"units": "m s-1"},
        "other": {"units": "km s-1"},
    }  # fmt: skip
    write_file(raw_path(tmp_path), {"time": TIMES, "x": X, "y": Y}, variables, attrs=attrs)
    found = manager(tmp_path, {"velocity": ["vx", "vy"]}).load(0).known["velocity"]
    np.testing.assert_allclose(found, np.stack([0.1 * packed, U[1]]), rtol=1e-6)
    for names, message in (
        (["vx", "w"], "components have the same axes and the same unit"),
        (["vx", "other"], "the same unit; here .*km s-1"),
        (["vx", "vz"], "no variable: 'vz' is unknown; did you mean 'v"),
    ):
        with pytest.raises(RawDataError, match=message):
            manager(tmp_path, {"velocity": names}).load(0)
