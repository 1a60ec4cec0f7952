"""Pinned experiments: results are protected and never recomputed."""

import shutil
from pathlib import Path

import pytest
import yaml

from hybrid_pde.errors import PinnedError
from hybrid_pde.workflow.pin import main, pin, pinned_names, unpin
from tests.workflow.conftest import EXPERIMENT
from tests.workflow.snakemake_run import TARGET, planned_jobs, run

NAME = "burgers_2d"
REPORT = f"results/{NAME}/report.html"


@pytest.fixture
def pinned(copy_of_finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished experiment, pinned, and then changed in a setting that affects all results."""
    monkeypatch.chdir(copy_of_finished)
    assert pin(NAME) > 10
    experiment = yaml.safe_load(Path(EXPERIMENT).read_text())
    experiment["generation_params"]["parameters"]["viscosity"] = 0.011
    Path(EXPERIMENT).write_text(yaml.safe_dump(experiment))
    return copy_of_finished


def error_message(folder: Path, *targets: str) -> str:
    result = run(folder, *targets)
    assert result.returncode != 0
    assert "Traceback" not in result.stdout
    return result.stdout


def test_pinned_results_are_never_recomputed(pinned: Path) -> None:
    assert planned_jobs(pinned) == {}
    assert planned_jobs(pinned, REPORT) == {}
    assert planned_jobs(pinned, REPORT, "--forceall") == {}
    assert run(pinned, REPORT).returncode == 0
    assert "request the other targets without it" in error_message(pinned, REPORT, TARGET)
    assert planned_jobs(pinned, TARGET, "--forceall") == {"synthetic_model": 1}, "only the copy"
    shutil.rmtree("data")
    assert planned_jobs(pinned) == {}, "the data are not needed"
    unpin(NAME)
    assert planned_jobs(pinned)["train_synthetic"] == 1


def test_other_experiments_run_next_to_a_pinned_one(pinned: Path) -> None:
    experiment = yaml.safe_load(Path(EXPERIMENT).read_text())
    experiment["run_params"]["experiment_name"] = f"{NAME}_2"
    experiment["data"]["dset_name"] = "other"
    Path(f"config/{NAME}_2.yaml").write_text(yaml.safe_dump(experiment))
    jobs = planned_jobs(pinned, f"results/{NAME}_2/synthetic_model.pt")
    assert jobs["train_synthetic"] == 1


def test_missing_results_of_a_pinned_experiment_are_reported(pinned: Path) -> None:
    target = f"results/{NAME}/cycle_01/synthetic_model.pt"
    assert f"{target}: results/{NAME} is pinned without it" in error_message(pinned, target)


def test_changed_or_removed_pinned_results_are_reported(pinned: Path) -> None:
    path = Path(REPORT)
    content = path.read_bytes()
    path.write_bytes(content)  # rewritten with the same content
    assert planned_jobs(pinned) == {}
    path.write_bytes(content + b" ")
    assert f"{REPORT}: is pinned and has changed; restore it, or `make unpin" in error_message(
        pinned
    )
    path.unlink()
    assert f"{REPORT}: is pinned and has been removed" in error_message(pinned)


def test_only_a_finished_experiment_is_pinned_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PinnedError, match="results/a: no report.html; finish the experiment"):
        pin("a")
    Path("results/a").mkdir(parents=True)
    Path("results/a/report.html").write_text("done")
    assert pin("a") == 1
    assert pinned_names() == ["a"]
    with pytest.raises(PinnedError, match="already pinned; `make unpin EXPERIMENT=a`"):
        pin("a")
    unpin("a")
    with pytest.raises(PinnedError, match="results/a: not pinned"):
        unpin("a")


@pytest.mark.parametrize("name", ["", "../elsewhere", "a/b"])
def test_names_cannot_leave_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="not a name of an experiment"):
        main([name])
