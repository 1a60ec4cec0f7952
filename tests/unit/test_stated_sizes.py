"""Raw files and settings that state more than the file holds or the disk takes."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import netCDF4
import numpy as np
import pytest
import yaml

from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.data import DataManager
from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.data.cache.raw_index import build_index
from hybrid_pde.errors import DamagedResultError, RawDataError, StorageError
from hybrid_pde.models.physical.parameters_file import read_result
from hybrid_pde.stages.simulate import RawSimulations
from tests.unit.raw_files import cells, experiment, raw_path, wave, write_file
from tests.workflow.tiny import write_experiment

FRAMES = 4
TIMES = np.arange(FRAMES) * 0.5


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def _never_written_flat(path: Path, chunks: Any) -> None:
    points = 10_000
    with h5py.File(path, "w") as file:
        file["t-coordinate"], file["x-coordinate"] = TIMES, cells(points)
        file.create_dataset("tensor", (10_000, FRAMES, points), "f4", chunks=chunks)


def _never_written_netcdf(path: Path) -> None:
    with netCDF4.Dataset(path, "w") as file:
        for dim, size in (("sample", 10_000), ("time", FRAMES), ("x", 10_000)):
            file.createDimension(dim, size)
        file.createVariable("time", "f8", ("time",))[:] = TIMES
        file.createVariable("x", "f8", ("x",))[:] = cells(10_000)
        file.createVariable("u", "f4", ("sample", "time", "x"), fill_value=0.0)


def _sparse_classic(path: Path) -> None:
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
        file.set_fill_off()
        for dim, size in (("sample", 10_000), ("time", FRAMES), ("x", 10_000)):
            file.createDimension(dim, size)
        file.createVariable("time", "f8", ("time",))[:] = TIMES
        file.createVariable("x", "f8", ("x",))[:] = cells(10_000)
        file.createVariable("u", "f4", ("sample", "time", "x"))
    with open(path, "rb+") as file:
        file.truncate(2 * 10**9)


@pytest.mark.parametrize("kind", ["contiguous", "chunked", "netcdf", "sparse"])
def test_values_that_were_never_written_are_refused_at_the_dry_run(
    tmp_path: Path, kind: str
) -> None:
    path = raw_path(tmp_path, "a.nc" if kind in ("netcdf", "sparse") else "a.h5")
    if kind == "netcdf":
        _never_written_netcdf(path)
    elif kind == "sparse":
        _sparse_classic(path)
    else:
        _never_written_flat(path, (1, FRAMES, 10_000) if kind == "chunked" else None)
    with pytest.raises(RawDataError, match=r"a\.\w+: the header states 1\.6 GB"):
        build_index(experiment(tmp_path))


def test_compressed_files_are_read(tmp_path: Path) -> None:
    path = raw_path(tmp_path, "a.h5")
    with h5py.File(path, "w") as file:
        file["t-coordinate"], file["x-coordinate"] = TIMES, cells(64)
        values = np.zeros((10, FRAMES, 64), "f4")
        file.create_dataset("tensor", data=values, compression="gzip", compression_opts=9)
    assert build_index(experiment(tmp_path)).num_simulations == 10


def test_a_cache_that_does_not_fit_on_the_disk_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = cells(8)
    write_file(raw_path(tmp_path), {"time": TIMES, "x": x}, {"u": (("time", "x"), wave(TIMES, x))})
    config = experiment(tmp_path, boundary="periodic")
    needed = FRAMES * 8 * 4
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, needed - 1))
    manager = DataManager.from_experiment(config)
    with pytest.raises(StorageError, match=r"heat: the cache: 1\.28e-07 GB, 1\.27e-07 GB are"):
        manager.cache_shard([0])
    assert not list(manager.directory.glob("*.safetensors"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, needed))
    assert manager.cache_shard([0])["simulations"] == [0]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 0))
    assert manager.cache_shard([0])["simulations"] == [0], "it is there already"


def test_simulations_that_do_not_fit_on_the_disk_are_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_experiment(tmp_path / "burgers.yaml", project_root=str(tmp_path))
    given = parse_experiment(load_experiment(path))
    simulations = RawSimulations(given, tmp_path / "raw")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 0))
    with pytest.raises(StorageError, match=r"raw: the simulations: .* GB"):
        simulations.make([0])


def test_a_field_parameter_that_was_never_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kappa.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 10**8)
        file.createVariable("kappa", "f8", ("x",), fill_value=0.0)
    value = {"file": path.name, "sha256": sha256_of(path)}
    (tmp_path / "parameters.yaml").write_text(
        yaml.safe_dump({"parameters": {"kappa": {"value": value}}})
    )
    with pytest.raises(DamagedResultError, match=r"parameters\.yaml: damaged: .*header states"):
        read_result(tmp_path / "parameters.yaml")
