"""The stage ``cache`` refuses simulations whose numbers have shifted since it was planned."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_pde.data.cache.cache_header import read_header
from hybrid_pde.data.cache.numbering import PLANNED, note_planned
from hybrid_pde.data.cache.raw_index import build_index
from hybrid_pde.errors import RawDataError
from hybrid_pde.stages.cache import cache_shard
from tests.unit.raw_files import cells, experiment, raw_path, write_file

TIMES = np.arange(4) * 0.5


def write(root: Path, name: str, samples: int = 1) -> Path:
    values = np.ones((samples, 4, 8))
    coordinates = {"sample": samples, "time": TIMES, "x": cells(8)}
    return write_file(raw_path(root, name), coordinates, {"u": (("sample", "time", "x"), values)})


def settings(root: Path) -> dict[str, Any]:
    data = experiment(root, boundary="periodic").data
    return {"data": data.model_dump(mode="json")}


def cached(root: Path, shard: list[int], raw: list[Path], first_sample: int = 0) -> list[str]:
    """Names of the raw files that the simulations were made from."""
    folder = root / "cache/heat"
    cache_shard(settings(root), shard, raw, folder / "manifest.json", first_sample)
    headers = [read_header(folder / f"sim_{index:06d}.safetensors") for index in shard]
    return [str(header.source["file"]) for header in headers]


def test_a_file_added_or_removed_meanwhile_is_refused(tmp_path: Path) -> None:
    planned = [write(tmp_path, name) for name in ("b.nc", "c.nc", "d.nc")]
    assert cached(tmp_path, [1, 2], planned[1:]) == ["c.nc", "d.nc"]
    added = write(tmp_path, "a.nc")
    with pytest.raises(RawDataError, match=r"simulations 1 to 2 .*\(b\.nc\); call the same"):
        cached(tmp_path, [1, 2], planned[1:])
    added.unlink()
    planned[0].unlink()
    with pytest.raises(RawDataError, match=r"simulations 1 to 2 or others .*\(c\.nc\)"):
        cached(tmp_path, [1, 2], planned[1:])


def test_a_shift_within_a_file_of_several_simulations_is_refused(tmp_path: Path) -> None:
    planned = write(tmp_path, "b.nc", samples=5)
    assert cached(tmp_path, [3, 4], [planned], first_sample=3) == ["b.nc", "b.nc"]
    write(tmp_path, "a.nc")
    with pytest.raises(RawDataError, match="simulations 3 to 4 or others have another number"):
        cached(tmp_path, [3, 4], [planned], first_sample=3)


def test_jobs_on_other_machines_know_the_planned_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = [write(tmp_path, name) for name in ("b.nc", "c.nc")]
    monkeypatch.setenv(PLANNED, "")
    note_planned([build_index(experiment(tmp_path, boundary="periodic"))])
    write(tmp_path, "d.nc")  # after all others
    assert cached(tmp_path, [0], planned[:1]) == ["b.nc"]
    added = write(tmp_path, "a.nc")
    # there Snakemake plans the job again, with the files of now
    with pytest.raises(RawDataError, match="or others have another number by now; call"):
        cached(tmp_path, [1], planned[:1])
    added.unlink()
    planned[1].unlink()
    with pytest.raises(RawDataError, match="or others have another number by now; call"):
        cached(tmp_path, [0], planned[:1])


def test_a_file_beside_simulated_ones_is_refused(tmp_path: Path) -> None:
    names = ["sim_000000.nc", "sim_000001.nc"]
    for name in names:
        write(tmp_path, name)
    manifest = raw_path(tmp_path, "simulated_000000-000001.json")
    manifest.write_text(json.dumps({"simulations": [0, 1], "files": dict.fromkeys(names, "00")}))
    assert cached(tmp_path, [1], [manifest]) == ["sim_000001.nc"]
    write(tmp_path, "mine.nc")
    with pytest.raises(RawDataError, match="have another number by now"):
        cached(tmp_path, [1], [manifest])


def test_the_only_file_of_a_data_set_keeps_its_neighbours_out(tmp_path: Path) -> None:
    write(tmp_path, "a.nc")
    wanted = write(tmp_path, "b.nc")
    folder = tmp_path / "cache/b.nc"
    cache_shard(settings(tmp_path), [0], [wanted], folder / "manifest.json")
    assert read_header(folder / "sim_000000.safetensors").source["file"] == "b.nc"
