"""Data manager: the cache is rebuilt only where raw files or settings have changed."""

import json
import os
import shutil
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.config import Experiment
from hybrid_pde.data import DataManager
from hybrid_pde.data.cache import data_manager as module
from hybrid_pde.data.cache.channel_statistics import RunningStatistics
from hybrid_pde.data.raw_files.labelled_file import BLOCK_BYTES
from hybrid_pde.data.raw_files.subprocess_reader import open_in_subprocess
from hybrid_pde.errors import CacheError, ConfigError, RawDataError
from tests.unit.raw_files import cells, experiment, raw_path, wave, write_file, write_simple


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the raw files from which values are read, in order."""
    names: list[str] = []

    def spy(path: Path, data: Any) -> Any:
        names.append(path.name)
        return open_in_subprocess(path, data)

    monkeypatch.setattr(module, "open_in_subprocess", spy)
    return names


def manager(config: Experiment) -> DataManager:
    return DataManager(config.raw_dir, config.cache_root, config)


def test_load(tmp_path: Path) -> None:
    write_simple(raw_path(tmp_path))
    data = manager(experiment(tmp_path))
    simulation = data.load(0)
    expected = wave(np.arange(5) * 0.5, cells(8))[:, None]
    np.testing.assert_allclose(simulation.fields["u"].numpy(), expected, rtol=1e-6)
    assert (data.dt, data.grid.shape, data.num_simulations) == (0.5, (8,), 1)
    assert simulation.times == (0.0, 0.5, 1.0, 1.5, 2.0)
    assert simulation.header.source["file"] == "a.nc"
    assert data.path(0) == tmp_path / "data/cache/heat/sim_000000.safetensors"
    with pytest.raises(ConfigError, match=r"simulation 1: there are 1 in .*heat, counted from 0"):
        data.load(1)
    with pytest.raises(ConfigError, match="simulation -1"):
        data.load(-1)


def test_cache_dir_with_or_without_the_name(tmp_path: Path) -> None:
    write_simple(raw_path(tmp_path))
    config = experiment(tmp_path)
    bare = DataManager(config.raw_dir, tmp_path / "cache", config)
    named = DataManager(str(config.raw_dir), str(tmp_path / "cache/heat"), config)
    assert bare.ensure(0) == named.ensure(0) == tmp_path / "cache/heat/sim_000000.safetensors"
    other = experiment(tmp_path, boundary=0.0)
    own = DataManager(other.raw_dir, tmp_path / "cache", other)
    own.ensure(0)
    assert own.directory.parent == named.directory
    again = DataManager(other.raw_dir, own.directory, other)
    assert again.directory == own.directory


def test_valid_cache_is_kept_and_stale_cache_rebuilt(tmp_path: Path, read: list[str]) -> None:
    path = write_simple(raw_path(tmp_path))
    config = experiment(tmp_path)
    first = manager(config).ensure(0).read_bytes()
    manager(config).ensure(0)
    os.utime(path, (1, 1))
    manager(config).ensure(0)
    assert read == ["a.nc"]
    write_simple(path, shift=1.0)
    assert manager(config).load(0).fields["u"][0, 0, 0] == pytest.approx(1.0625)
    assert read == ["a.nc", "a.nc"]
    write_simple(path)
    assert manager(config).ensure(0).read_bytes() == first


@pytest.mark.parametrize("content", [b"", b"foreign", None])
def test_damaged_cache_is_rebuilt(tmp_path: Path, content: bytes | None) -> None:
    write_simple(raw_path(tmp_path))
    data = manager(experiment(tmp_path))
    whole = data.ensure(0).read_bytes()
    data.path(0).write_bytes(whole[:-4] if content is None else content)
    assert data.ensure(0).read_bytes() == whole


def test_other_settings_have_a_separate_cache(tmp_path: Path) -> None:
    write_simple(raw_path(tmp_path))
    first = manager(experiment(tmp_path))
    second = manager(experiment(tmp_path, select={"coarsen": {"x": 2}}))
    shapes = [tuple(each.load(0).fields["u"].shape) for each in (first, second, first)]
    assert shapes == [(5, 1, 8), (5, 1, 4), (5, 1, 8)]


def test_settings_of_a_folder_that_lost_its_claim(tmp_path: Path) -> None:
    write_simple(raw_path(tmp_path))
    first = manager(experiment(tmp_path))
    first.ensure(0)
    (first.directory / "reading.json").unlink()
    second = manager(experiment(tmp_path, select={"coarsen": {"x": 2}}))
    assert second.load(0).fields["u"].shape == (5, 1, 4)


def test_without_raw_files(tmp_path: Path) -> None:
    write_simple(raw_path(tmp_path))
    config = experiment(tmp_path)
    expected = manager(config).load(0).fields["u"].clone()
    shutil.rmtree(config.raw_dir)
    data = manager(config)
    assert (data.num_simulations, data.dt, data.grid.shape) == (1, 0.5, (8,))
    torch.testing.assert_close(data.load(0).fields["u"], expected)
    with pytest.raises(CacheError, match="simulation 1 is not there"):
        data.load(1)
    other = experiment(tmp_path, boundary=0.0)
    with pytest.raises(RawDataError, match="no such folder"):
        manager(other).load(0)
    damaged = data.path(0)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(CacheError, match="truncated"):
        manager(config).load(0)


def test_bad_simulation_does_not_affect_others(tmp_path: Path) -> None:
    for name in ("a.nc", "c.nc", "d.nc"):
        write_simple(raw_path(tmp_path, name))
    values = wave(np.arange(5) * 0.5, cells(8))
    values[2, 3] = np.nan
    coordinates = {"time": np.arange(5) * 0.5, "x": cells(8)}
    write_file(raw_path(tmp_path, "b.nc"), coordinates, {"u": (("time", "x"), values)})
    raw_path(tmp_path, "c.nc").write_bytes(b"not a NetCDF file")
    data = manager(experiment(tmp_path))
    with pytest.raises(RawDataError) as error:
        data.write_manifest([0, 1, 2, 3], tmp_path / "manifest.json")
    message = str(error.value)
    assert "simulation 1: " in message and "b.nc: u: missing" in message
    assert "simulation 2: " in message and "c.nc: cannot be read" in message
    assert "2 of 4 simulations are cached" in message
    assert data.indices() == [0, 3]
    assert not (tmp_path / "manifest.json").exists()
    assert not [path for path in data.directory.rglob("*") if path.name.endswith(".tmp")]
    manifest = data.write_manifest([0, 3], tmp_path / "manifest.json")
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest
    assert list(manifest["files"]) == ["sim_000000.safetensors", "sim_000003.safetensors"]


def test_samples_of_one_file(tmp_path: Path) -> None:
    times, x = np.arange(5) * 0.5, cells(8)
    values = np.stack([wave(times, x) * factor for factor in (1, 2)], axis=-1)
    coordinates = {"time": times, "x": x, "sample": 2}
    write_file(raw_path(tmp_path), coordinates, {"u": (("time", "x", "sample"), values)})
    data = manager(experiment(tmp_path))
    data.cache_shard([0, 1])
    torch.testing.assert_close(data.load(1).fields["u"], 2 * data.load(0).fields["u"])


def test_raw_file_that_changes_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_simple(raw_path(tmp_path))
    data = manager(experiment(tmp_path))
    write = module.write_simulation

    def meanwhile(*args: Any) -> Any:
        with open(path, "ab") as file:
            file.write(b"0")
        return write(*args)

    monkeypatch.setattr(module, "write_simulation", meanwhile)
    with pytest.raises(RawDataError, match=r"a\.nc: changed while it was being read"):
        data.ensure(0)
    assert data.indices() == []


def _ensure(config: Experiment, results: Any) -> None:
    results.put(manager(config).ensure(0).stat().st_size)


def test_two_processes_at_once(tmp_path: Path) -> None:
    write_simple(raw_path(tmp_path))
    context = get_context("fork")
    results: Any = context.Queue()
    workers = [
        context.Process(target=_ensure, args=(experiment(tmp_path), results)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    sizes = {results.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert sizes == {manager(experiment(tmp_path)).ensure(0).stat().st_size}


def test_memory_does_not_grow_with_the_number_of_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = BLOCK_BYTES // 8 // 4
    write_simple(raw_path(tmp_path), frames=9, points=points)
    sizes: list[int] = []
    add = RunningStatistics.add

    def spy(self: Any, block: np.ndarray) -> None:
        sizes.append(len(block))
        add(self, block)

    monkeypatch.setattr(RunningStatistics, "add", spy)
    manager(experiment(tmp_path)).ensure(0)
    assert sizes == [4, 4, 1]


def test_an_error_in_a_block_that_is_read_ahead_comes_in_its_turn(tmp_path: Path) -> None:
    points = BLOCK_BYTES // 16  # two frames a block
    values = np.zeros((5, points), np.float32)
    values[4, 3] = np.nan
    path = raw_path(tmp_path)
    write_file(path, {"time": np.arange(5.0), "x": cells(points)}, {"u": (("time", "x"), values)})
    with open_in_subprocess(path, experiment(tmp_path).data) as raw:
        blocks = raw.frames(0)
        assert [len(next(blocks)["u"]) for _ in range(2)] == [2, 2]
        assert raw.known(0) == (), "other tasks come in between"
        with pytest.raises(RawDataError, match="time index 4"):
            next(blocks)
        assert len(next(raw.frames(0))["u"]) == 2
