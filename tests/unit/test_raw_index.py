"""Index of raw files, which opens an unchanged file only once."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_pde.data import build_index, cache_directory, reading_digest, reading_settings
from hybrid_pde.data.cache import raw_index as index_module
from hybrid_pde.data.raw_files.subprocess_reader import read_info
from hybrid_pde.errors import CacheError, ConfigError, RawDataError
from tests.unit.raw_files import cells, experiment, raw_path, write_file, write_simple


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the raw files opened, in order."""
    names: list[str] = []

    def spy(path: Path, data: Any) -> Any:
        names.append(path.name)
        return read_info(path, data)

    monkeypatch.setattr(index_module, "read_info", spy)
    return names


def test_simulations_are_counted_over_files_and_samples(tmp_path: Path) -> None:
    x, times = cells(8), np.arange(5) * 0.5
    write_simple(raw_path(tmp_path, "b.nc"), frames=7)
    values = np.zeros((2, 5, 8))
    path = raw_path(tmp_path, "a.nc")
    write_file(path, {"sample": 2, "time": times, "x": x}, {"u": (("sample", "time", "x"), values)})
    raw_path(tmp_path, ".hidden.nc").write_text("x")
    raw_path(tmp_path, "manifest.json").write_text("{}")
    raw_path(tmp_path, "folder/c.nc").write_text("x")
    index = build_index(experiment(tmp_path))
    names = [(file.name, sample) for file, sample in index.simulations]
    assert names == [("a.nc", 0), ("a.nc", 1), ("b.nc", 0)]
    assert [index.num_frames(i) for i in range(index.num_simulations)] == [5, 5, 7]
    assert (index.dt, index.grid.shape, index.layouts[0].name) == (0.5, (8,), "u")


def test_unchanged_files_are_not_opened_again(tmp_path: Path, opened: list[str]) -> None:
    for name in ("a.nc", "b.nc"):
        write_simple(raw_path(tmp_path, name))
    first = build_index(experiment(tmp_path))
    assert build_index(experiment(tmp_path)) == first
    assert opened == ["a.nc", "b.nc"]
    write_simple(raw_path(tmp_path, "b.nc"), frames=9)
    assert build_index(experiment(tmp_path)).num_frames(1) == 9
    assert opened == ["a.nc", "b.nc", "b.nc"]
    build_index(experiment(tmp_path, boundary="zero-gradient"))
    assert opened[3:] == ["a.nc", "b.nc"]
    raw_path(tmp_path, "a.nc").unlink()
    assert build_index(experiment(tmp_path)).num_simulations == 1
    assert len(opened) == 5


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 1}', '{"schema": 99}'])
def test_damaged_index_is_rebuilt(tmp_path: Path, opened: list[str], content: str) -> None:
    write_simple(raw_path(tmp_path))
    index_path = tmp_path / "index.json"
    index = build_index(experiment(tmp_path), index_path)
    index_path.write_text(content)
    assert build_index(experiment(tmp_path), index_path) == index
    assert opened == ["a.nc", "a.nc"]


def test_index_that_cannot_be_saved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_simple(raw_path(tmp_path))
    (tmp_path / "file").write_text("")
    index = build_index(experiment(tmp_path), tmp_path / "file" / "index.json")
    assert index.num_simulations == 1
    assert "the index cannot be kept" in caplog.text


def test_default_boundary_is_announced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_simple(raw_path(tmp_path))
    with caplog.at_level(logging.WARNING):
        build_index(experiment(tmp_path, boundary="periodic"))
        assert "periodic" not in caplog.text
        build_index(experiment(tmp_path))
    assert "taken as periodic" in caplog.text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": cells(9)}, r"b\.nc: x: shape 9 here, 8 in a\.nc"),
        ({"x": cells(8, 2.0)}, r"b\.nc: x: domain \[0\.0, 2\.0\] here, \[0\.0, 1\.0\] in a\.nc"),
        ({"time": np.arange(5) * 0.6}, r"b\.nc: time step: 0\.6 here, 0\.5 in a\.nc"),
        ({"boundary": "zero-gradient"}, r"b\.nc: x: boundary .* here, .* in a\.nc"),
        ({"name": "w"}, r"b\.nc: data\.fields: no variable 'u'; the file has w"),
        ({"static": True}, r"b\.nc: u: a scalar without a time axis here"),
    ],
)
def test_files_that_disagree(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    for name, change in (("a.nc", {}), ("b.nc", changed)):
        x = np.asarray(change.get("x", cells(8)))
        times = np.asarray(change.get("time", np.arange(5) * 0.5))
        values = np.zeros((len(times), len(x)))
        u = (("x",), values[0]) if change.get("static") else (("time", "x"), values)
        boundary = change.get("boundary")
        write_file(
            raw_path(tmp_path, name),
            {"time": times, "x": x},
            {change.get("name", "u"): u, "k": (("time", "x"), values)},
            attrs={"": {"boundary": boundary}} if boundary else {},
        )
    settings = experiment(tmp_path, fields=["u", "k"])
    with pytest.raises(RawDataError, match=message):
        build_index(settings)
    lenient = build_index(settings, strict=False)
    assert [file.name for file, _ in lenient.simulations] == ["a.nc", "b.nc"]
    assert [file.name for file in lenient.errors] == ["b.nc"]


def test_folders_without_raw_files(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match=r"no such folder; .*data\.data_dir"):
        build_index(experiment(tmp_path))
    raw_path(tmp_path, "a.mat").write_text("x")
    with pytest.raises(RawDataError, match=r"no raw files \(\.nc.*it holds a\.mat"):
        build_index(experiment(tmp_path))
    raw_path(tmp_path, "a.nc").symlink_to("a.nc")
    with pytest.raises(RawDataError, match=r"a\.nc: "):
        build_index(experiment(tmp_path))
    with pytest.raises(ConfigError, match=r"data\.dims\.q"):
        write_simple(raw_path(tmp_path, "b.nc"))
        build_index(experiment(tmp_path, dims={"q": "x"}))


def test_single_file_as_data_set(tmp_path: Path) -> None:
    write_simple(raw_path(tmp_path))
    config = experiment(tmp_path, data_dir="data/heat", dset_name="a.nc")
    assert build_index(config).num_simulations == 1
    raw_path(tmp_path, "a.h5").write_bytes(b"x")
    with pytest.raises(RawDataError, match=r"a\.h5: cannot be read"):
        build_index(experiment(tmp_path, data_dir="data/heat", dset_name="a.h5"))
    with pytest.raises(ConfigError, match=r"data\.fields: \['u', 'u'\]: missing or"):
        build_index(experiment(tmp_path, fields=["u", "u"]))


def test_settings_hold_no_paths(tmp_path: Path) -> None:
    one, other = experiment(tmp_path), experiment(tmp_path / "elsewhere", cache_dir="cache")
    assert reading_settings(one) == reading_settings(other)
    assert str(tmp_path) not in json.dumps(reading_settings(one))
    assert reading_digest(one) == reading_digest(other)
    assert reading_digest(one) != reading_digest(experiment(tmp_path, boundary=0.0))


def test_first_settings_claim_the_folder(tmp_path: Path) -> None:
    first, second = experiment(tmp_path), experiment(tmp_path, boundary=0.0)
    base = tmp_path / "data/cache/heat"
    assert cache_directory(second, claim=False) == base
    assert not base.exists()
    assert cache_directory(first, claim=True) == base
    assert cache_directory(second, claim=True) == base / reading_digest(second)
    assert cache_directory(first, claim=True) == base
    claim = json.loads((base / "reading.json").read_text())
    assert claim == {"settings": reading_settings(first), "raw_dir": str(first.raw_dir)}
    assert json.loads((base / reading_digest(second) / "reading.json").read_text())
    assert sorted(os.listdir(base)) == sorted(["reading.json", reading_digest(second)])
    (base / "reading.json").write_text("{")
    with pytest.raises(CacheError, match=r"reading\.json: damaged; delete the folder"):
        cache_directory(first, claim=False)


def test_indexing_imports_neither_torch_nor_phiflow(tmp_path: Path) -> None:
    write_simple(raw_path(tmp_path))
    program = (
        "import sys; from hybrid_pde.data import build_index, cache_directory\n"
        f"config = {{'project_root': {str(tmp_path)!r}, 'data': {{'dset_name': 'heat', "
        "'fields': ['u']}}\n"
        "assert build_index(config).num_simulations == 1\n"
        "print([name for name in ('torch', 'phi', 'phiml') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
