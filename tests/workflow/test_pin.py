"""A pinned experiment: its results are taken as they are."""

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
    """The finished experiment, pinned, with a setting that everything depends on changed since."""
    monkeypatch.chdir(copy_of_finished)
    assert pin(NAME) > 10
    experiment = yaml.safe_load(Path(EXPERIMENT).read_text())
    experiment["generation_params"]["parameters"]["viscosity"] = 0.011
    Path(EXPERIMENT).write_text(yaml.safe_dump(experiment))
    return copy_of_finished


def refusal(folder: Path, *targets: str) -> str:
    result = run(folder, *targets)
    assert result.returncode != 0
    assert "Traceback" not in result.stdout
    return result.stdout


def test_pinned_results_are_never_made_again(pinned: Path) -> None:
    assert planned_jobs(pinned) == {}
    assert planned_jobs(pinned, REPORT) == {}
    assert planned_jobs(pinned, REPORT, "--forceall") == {}
    assert run(pinned, REPORT).returncode == 0
    assert "request the other targets without it" in refusal(pinned, REPORT, TARGET)
    assert planned_jobs(pinned, TARGET, "--forceall") == {"synthetic_model": 1}, "the copy"
    shutil.rmtree("data")
    assert planned_jobs(pinned) == {}, "the data may go"
    unpin(NAME)
    assert planned_jobs(pinned)["train_synthetic"] == 1


def test_other_experiments_are_made_beside_it(pinned: Path) -> None:
    experiment = yaml.safe_load(Path(EXPERIMENT).read_text())
    experiment["run_params"]["experiment_name"] = f"{NAME}_2"
    experiment["data"]["dset_name"] = "other"
    Path(f"config/{NAME}_2.yaml").write_text(yaml.safe_dump(experiment))
    jobs = planned_jobs(pinned, f"results/{NAME}_2/synthetic_model.pt")
    assert jobs["train_synthetic"] == 1


def test_what_a_pinned_experiment_has_not_is_told(pinned: Path) -> None:
    target = f"results/{NAME}/cycle_01/synthetic_model.pt"
    assert f"{target}: results/{NAME} is pinned without it" in refusal(pinned, target)


def test_a_pinned_result_that_has_changed_or_gone_is_told(pinned: Path) -> None:
    path = Path(REPORT)
    content = path.read_bytes()
    path.write_bytes(content)  # written again, and the same
    assert planned_jobs(pinned) == {}
    path.write_bytes(content + b" ")
    assert f"{REPORT}: is pinned and has changed; restore it, or `make unpin" in refusal(pinned)
    path.unlink()
    assert f"{REPORT}: is pinned and has been removed" in refusal(pinned)


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
def test_no_name_leads_out_of_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="not a name of an experiment"):
        main([name])
