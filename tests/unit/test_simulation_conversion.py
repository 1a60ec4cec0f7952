"""Caches, generated simulations and rollouts as NetCDF and Zarr: the same numbers, with names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from hybrid_pde.command_line import app
from hybrid_pde.data.cache.cache_file import write_simulation
from hybrid_pde.data.cache.cache_header import CacheHeader
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.stated_units import StatedUnits

SIDES = (PERIODIC, PERIODIC)
GRID = Grid(("x", "y"), (4, 3), (0.0, 0.0), (2.0, 1.5), (SIDES, SIDES), (False, False))
LAYOUTS = (FieldLayout("u", ("x", "y")), FieldLayout("height", static=True))
UNITS = StatedUnits(length="km", time="s", variables=(("u", "km s-1"), ("nu", "km2 s-1")))
TIMES = (0.5, 1.0, 1.5)


def cached(folder: Path, number: int, times: tuple[float, ...] = TIMES) -> dict[str, Any]:
    """A cached simulation with a known number and a known field."""
    generator = np.random.default_rng(number)
    fields = {
        "u": generator.normal(size=(len(times), 2, 4, 3)).astype(np.float32),
        "height": generator.normal(size=(1, 4, 3)).astype(np.float32),
        "known:forcing": generator.normal(size=(1, 4, 3)).astype(np.float32),
    }
    known = (
        KnownParameter("nu", values=0.1 + number),
        KnownParameter("forcing", is_field=True),
    )
    header = CacheHeader(GRID, LAYOUTS, 0.5, times, {"file": "a.nc"}, "", {}, known, UNITS)
    blocks = [
        {name: values for name, values in fields.items() if name != "u"},
        {"u": fields["u"]},
    ]
    folder.mkdir(exist_ok=True)
    write_simulation(folder / f"sim_{number:06d}.safetensors", header, blocks)
    return fields


def run(*arguments: Any) -> int:
    return app.run(["convert", *(str(each) for each in arguments)])


def opened(path: Path) -> xr.Dataset:
    return xr.open_zarr(path) if path.suffix == ".zarr" else xr.open_dataset(path)


@pytest.mark.parametrize("name", ["all.nc", "all.zarr"])
def test_a_folder_of_simulations_becomes_one_file(name: str, tmp_path: Path, capsys: Any) -> None:
    expected = [cached(tmp_path / "cache", number) for number in (0, 3)]
    assert run(tmp_path / "cache", "--output", tmp_path / name) == 0
    assert "2 simulation(s) of" in capsys.readouterr().out
    with opened(tmp_path / name) as found:
        assert found["u"].dims == ("sample", "time", "vector", "x", "y")
        assert found["u"].attrs["units"] == "km s-1" and found["x"].attrs["units"] == "km"
        np.testing.assert_array_equal(found["sample"], [0, 3])
        np.testing.assert_array_equal(found["nu"], [0.1, 3.1])
        for place, fields in enumerate(expected):
            sample = found.isel(sample=place)
            np.testing.assert_array_equal(sample["u"], fields["u"])
            np.testing.assert_array_equal(sample["height"], fields["height"][0])
            np.testing.assert_array_equal(sample["forcing"], fields["known:forcing"][0])
    if name == "all.nc":  # readers of raw files take it
        from hybrid_pde.config.schema import DataParams
        from hybrid_pde.data.raw_files.subprocess_reader import open_in_subprocess

        data = DataParams(fields=["u"], known_parameters={"nu": "nu"})
        with open_in_subprocess(tmp_path / name, data) as raw:
            assert raw.info.grid == GRID and raw.info.num_samples == 2
            np.testing.assert_array_equal(next(iter(raw.frames(1)))["u"], expected[1]["u"])


def test_one_simulation_of_a_folder_or_file(tmp_path: Path) -> None:
    cached(tmp_path / "cache", 0)
    fields = cached(tmp_path / "cache", 1, times=(0.5, 1.0))
    file = tmp_path / "cache/sim_000001.safetensors"
    assert run(file, "--output", tmp_path / "a.nc") == 0
    folder = tmp_path / "cache"
    assert run(folder, "--simulation", 1, "--output", tmp_path / "b.nc") == 0
    for name in ("a.nc", "b.nc"):
        with xr.open_dataset(tmp_path / name, decode_times=False) as found:
            assert found["u"].dims == ("time", "vector", "x", "y")
            np.testing.assert_array_equal(found["u"], fields["u"])
            np.testing.assert_array_equal(found["time"], [0.5, 1.0])


def test_rollouts_and_raw_files_become_zarr(tmp_path: Path) -> None:
    values = torch.randn(2, 4).numpy()
    raw = xr.Dataset({"u": (("time", "x"), values)}, {"time": [0.0, 0.1], "x": [0.0, 1, 2, 3]})
    raw.to_netcdf(tmp_path / "rollouts.nc")
    assert run(tmp_path / "rollouts.nc", "--output", tmp_path / "rollouts.zarr") == 0
    with xr.open_zarr(tmp_path / "rollouts.zarr") as found:
        np.testing.assert_array_equal(found["u"], values)
        assert found.attrs["Conventions"].startswith("CF-") and found["time"].attrs["axis"] == "T"


def test_what_cannot_be_converted(tmp_path: Path, capsys: Any) -> None:
    cached(tmp_path / "cache", 0)
    cached(tmp_path / "cache", 1, times=(0.5, 1.0))
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.nc").write_text("no NetCDF")
    for source, output, message in (
        ("cache", "a.nc", "2 frames from time 0.5, 3 from 0.5 in simulation 0; a file has one"),
        ("empty", "a.nc", "empty: no simulations to convert; a source is"),
        ("text.nc", "a.zarr", "text.nc"),
        ("cache", "a.csv", "the ending '.csv' is no format that is written; use .nc"),
    ):
        assert run(tmp_path / source, "--output", tmp_path / output) == 1
        assert message in capsys.readouterr().err
        assert not (tmp_path / output).exists()
