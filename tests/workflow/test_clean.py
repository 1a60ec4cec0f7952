"""``make clean`` removes what the workflow made, and nothing of the user's."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.errors import RunningError
from hybrid_pde.stages.kept_results import KeptResults
from hybrid_pde.workflow import clean as cleaning
from hybrid_pde.workflow.clean import clean, main
from hybrid_pde.workflow.pin import pin
from tests.workflow.tiny import ROOT


def put(path: Path | str, text: str = "x") -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def files() -> set[str]:
    return {str(path) for path in Path().rglob("*") if path.is_file() or path.is_symlink()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with raw files of the user, simulated ones, a cache and two results."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    put("data/measured/a.nc")
    simulated = [put(f"data/twin/sim_00000{i}.nc", str(i)) for i in range(2)]
    digests = {path.name: sha256_of(path) for path in simulated}
    manifest = {"simulations": [0, 1], "files": digests}
    put("data/twin/simulated_000000-000001.json", json.dumps(manifest))
    put("data/twin/logs/simulate_000000-000001.log")
    for name in ("reading.json", "sources.json", "sim_000000.safetensors", "0a1b2c3d/reading.json"):
        put(f"data/cache/twin/{name}")
    put("data/cache/twin/cached_000000-000001.json", "{}")
    for name in ("e", "finished"):
        put(f"results/{name}/report.html")
        put(f"results/{name}/synthetic_model.pt")
        put(f"results/{name}/logs/train_synthetic.versions.json", "{}")
        put(f"results/{name}/cycle_01/checkpoints/0123456789abcdef/finished")
    put("results/synthetic_model.pt")
    put(".snakemake/metadata/x")
    yield work
    assert (tmp_path / "work").exists()


def test_all_that_the_workflow_made_goes(folder: Path) -> None:
    clean()
    assert files() == {"data/measured/a.nc"}
    assert not Path("results").exists() and not Path("data/cache").exists()


def test_pinned_results_and_files_of_the_user_stay(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pin("finished")
    pinned = {name for name in files() if name.startswith("results/finished/")}
    mine = {
        "results/e/notes.md",
        "results/e/checkpoints/best/weights.pt",
        "results/mine/report.html",
        "data/twin/sim_000009.nc",
        "data/cache/twin/notes.md",
        "data/cache/other/sim_000000.safetensors",
        "data/list.csv",
    }
    for name in mine:
        put(name)
    Path("results/mine/later").mkdir()
    put("data/twin/sim_000001.nc", "edited")
    put("data/twin/e\x1b[31m.nc")
    main([])
    expected = {"data/measured/a.nc", "data/twin/sim_000001.nc", "data/twin/e\x1b[31m.nc"}
    assert files() == pinned | mine | expected
    assert Path("results/mine/later").exists() and not Path("results/e/logs").exists()
    printed = capsys.readouterr().out
    assert "kept results/finished: pinned; `make unpin EXPERIMENT=finished` frees it" in printed
    assert "kept data/measured: raw files that were not simulated here" in printed
    assert "data/twin/e\\x1b[31m.nc" in printed and "\x1b" not in printed
    assert "files of the workflow" in printed


def test_links_and_what_they_lead_to_stay(folder: Path) -> None:
    outside = folder.parent / "outside"
    for name in ("results/e", "data/twin", "data/cache"):
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(name, outside / name)
        Path(name).symlink_to(outside / name)
    put(outside / "model.pt")
    Path("results/finished/synthetic_model.pt").unlink()
    Path("results/finished/synthetic_model.pt").symlink_to(outside / "model.pt")
    before = sorted(path for path in outside.rglob("*"))
    clean()
    assert sorted(path for path in outside.rglob("*")) == before
    assert "results/finished/synthetic_model.pt" in files()
    assert "results/finished/report.html" not in files()


def test_kept_copies_go_and_changed_ones_stay(folder: Path) -> None:
    kept = Path("results/e/physical/.kept")
    outputs = [put("results/e/physical/parameters.yaml"), put("results/e/physical/history.csv")]
    KeptResults(kept, {}).keep(outputs)
    outputs[1].unlink()  # else the two are one file
    put(kept / "history.csv", "of the user")
    clean()
    assert files() == {"data/measured/a.nc", str(kept / "history.csv")}


def test_a_dry_run_removes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files()
    main(["--dry-run"])
    assert files() == before
    assert "would remove" in capsys.readouterr().out


def test_nothing_goes_while_snakemake_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files()
    monkeypatch.setattr(cleaning, "snakemake_calls", lambda _: [17])
    with pytest.raises(RunningError, match="process 17"):
        clean()
    assert files() == before


def test_every_result_of_the_pipeline_is_known(
    copy_of_finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_of_finished)
    clean()
    left = {name for name in files() if not name.startswith("config/")}
    assert left == set()


def test_variables_of_the_environment_do_not_reach_make() -> None:
    called = subprocess.run(
        ["make", "--dry-run", "--old-file=.venv/installed", "run", "CORES=3"],
        cwd=ROOT,
        env={**os.environ, "TARGET": "x; touch y", "CORES": "7", "MAKELEVEL": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--cores 3 results/synthetic_model.pt" in called.stdout
    assert "touch y" not in called.stdout
    assert "TARGET in the environment is not used; write: make … TARGET=…" in called.stdout
