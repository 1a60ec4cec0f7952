"""Full and read-only disks: a one-line error, no damaged files, and a resumable run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.atomic import atomic_path, sha256_of, write_json
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.raw_netcdf_writer import write_raw_file
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.errors import StorageError
from hybrid_pde.evaluation.figures.style import save_figure
from hybrid_pde.evaluation.history import write_history
from hybrid_pde.models.tensor_file import write_tensor_file
from hybrid_pde.workflow.stage_settings import stage_settings
from tests.workflow.conftest import EXPERIMENT
from tests.workflow.snakemake_run import run
from tests.workflow.tiny import ROOT, settings_path, tiny_experiment, write_experiment

TARGET = "results/burgers_2d/physical/parameters.yaml"
FREE_SHARES = (0.0, 0.05, 0.3, 0.6, 0.9, 0.98)
NUMBERS = np.random.default_rng(0).normal(size=(12, 1, 48, 48)).astype(np.float32)
LAYOUT = FieldLayout("u", ())


def grid() -> Grid:
    boundary = ((PERIODIC, PERIODIC), (PERIODIC, PERIODIC))
    return Grid(("x", "y"), (48, 48), (0.0, 0.0), (1.0, 1.0), boundary, (False, False))


def raw_file(path: Path) -> None:
    write_raw_file(path, {"u": NUMBERS}, grid(), [LAYOUT], 0.1, {})


def compressed_rollouts(path: Path) -> None:
    with atomic_path(path) as temporary:
        xr.Dataset({"u": (("time", "x", "y"), NUMBERS[:, 0])}).to_netcdf(
            temporary, engine="netcdf4", encoding={"u": {"zlib": True}}
        )


def cached_simulation(path: Path) -> None:
    CacheManager(path.parent).write(0, {"u": NUMBERS}, grid(), 0.1, {})


def checkpoint(path: Path) -> None:
    write_tensor_file(path, "test", {"weights": torch.from_numpy(NUMBERS)})


def figure(path: Path) -> None:
    picture = Figure()
    picture.subplots().imshow(NUMBERS[0, 0], interpolation="nearest")
    save_figure(path, picture)


def animation(path: Path) -> None:
    frames = [Image.fromarray((255 * abs(each[0]) % 255).astype(np.uint8)) for each in NUMBERS]
    with atomic_path(path) as temporary:
        frames[0].save(temporary, format="GIF", save_all=True, append_images=frames[1:])


def history(path: Path) -> None:
    write_history(path, [{"epoch": k, "loss": 1 / k} for k in range(1, 20_000)])


def manifest(path: Path) -> None:
    write_json(path, {"files": {f"sim_{k:06d}": "0" * 64 for k in range(4000)}})


WRITERS: dict[str, Callable[[Path], None]] = {
    "raw.nc": raw_file,
    "rollouts.nc": compressed_rollouts,
    "sim_000000.safetensors": cached_simulation,
    "trainer.pt": checkpoint,
    "figure.png": figure,
    "animation.gif": animation,
    "history.csv": history,
    "manifest.json": manifest,
}


def mount(*arguments: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine mounts nothing: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk))
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path, free: int) -> Path:
    """Fill the disk except for ``free`` bytes, in whole pages."""
    ballast = disk / "ballast"
    ballast.unlink(missing_ok=True)
    available = shutil.disk_usage(disk).free
    ballast.write_bytes(b"\0" * max(0, available - free))
    return ballast


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk_is_reported_and_leaves_no_damaged_file(
    small_disk: Path, tmp_path: Path, name: str
) -> None:
    write, path = WRITERS[name], small_disk / name
    write(tmp_path / name)
    size = (tmp_path / name).stat().st_size
    assert size > 20_000, "larger than several pages"
    for share in FREE_SHARES:
        ballast = fill(small_disk, int(share * size) // 4096 * 4096)
        with pytest.raises(StorageError, match="no space is left on the disk") as error:
            write(path)
        assert str(path) in str(error.value)
        assert "call the same command again" in str(error.value)
        assert [each.name for each in small_disk.iterdir()] == ["ballast"]
    ballast.unlink()
    write(path)
    assert path.stat().st_size == size
    if not name.endswith(".nc"):
        assert sha256_of(path) == sha256_of(tmp_path / name)


def test_full_disk_keeps_the_existing_file(small_disk: Path) -> None:
    path = small_disk / "manifest.json"
    write_json(path, {"old": 1})
    before = path.read_bytes()
    fill(small_disk, 0)
    with pytest.raises(StorageError):
        manifest(path)
    assert path.read_bytes() == before


def test_other_errors_while_writing_are_not_disk_errors(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="numerics"), atomic_path(tmp_path / "a.json"):
        raise RuntimeError("numerics")
    assert not list(tmp_path.iterdir())


def test_read_only_folder_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    mount("--bind", str(folder), str(folder))
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        with pytest.raises(StorageError, match=r"a\.json: cannot be written.*read-only; mount it"):
            write_json(folder / "a.json", {})
        with pytest.raises(StorageError, match=r"a\.json: cannot be written.*read-only; mount it"):
            write_json(folder / "new/a.json", {})
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def simulate(folder: Path, check_size: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the program of the stage for four simulations of 0.5 MB each.

    Without the check of the free disk before, the disk fills while the stage writes.
    """
    program = str(ROOT / "workflow/scripts/simulate.py")
    unchecked = (
        "import runpy, sys; import hybrid_pde.stages.simulate as stage; "
        "stage.refuse_too_large = lambda *_: None; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    experiment = tiny_experiment()
    experiment["generation_params"] |= {"resolution": {"x": 48, "y": 36}, "steps": 35}
    settings = stage_settings(parse_experiment(experiment), "simulate")
    return subprocess.run(
        [
            *((sys.executable,) if check_size else (sys.executable, "-c", unchecked)),
            *(program, "--settings"),
            settings_path(folder, settings),
            *("--shard", "000000-000003", "--output", "raw/simulated.json"),
            *("--log", "raw/logs/simulate.log"),
        ],
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )


def test_stage_on_a_full_disk_reports_it_and_resumes(small_disk: Path) -> None:
    fill(small_disk, 1_200_000)
    refused = simulate(small_disk)
    assert refused.returncode == 1, refused.stderr
    assert "free on the disk" in refused.stderr.splitlines()[-1]
    assert not list(small_disk.glob("raw/*.nc"))
    failed = simulate(small_disk, check_size=False)
    assert failed.returncode == 1, failed.stderr
    assert "no space is left on the disk" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr
    made = {path: path.stat().st_mtime_ns for path in small_disk.glob("raw/*.nc")}
    assert 1 <= len(made) < 4
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    again = simulate(small_disk)
    assert again.returncode == 0, again.stderr
    assert len(list(small_disk.glob("raw/*.nc"))) == 4
    assert made == {path: path.stat().st_mtime_ns for path in made}, "finished files are kept"
    assert (small_disk / "raw/logs/simulate.versions.json").is_file()


@pytest.mark.parametrize("place", [".", "results"])
def test_read_only_folder_is_reported_before_any_computation(tmp_path: Path, place: str) -> None:
    write_experiment(tmp_path / EXPERIMENT)
    (tmp_path / "results").mkdir()
    folder = tmp_path / place
    mount("--bind", str(folder), str(folder))
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        refused = run(tmp_path, TARGET)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    assert refused.returncode != 0
    assert "cannot be written: the file system is read-only; mount it" in refused.stdout
    assert "Traceback" not in refused.stdout
    assert not list(tmp_path.glob("data/burgers_2d/*.nc"))
