"""Experiments that take over another one's calibration and generated simulations."""

from pathlib import Path

import pytest
import yaml

from hybrid_pde.errors import ConfigError
from hybrid_pde.workflow.requested_experiments import RequestedExperiments
from tests.workflow.conftest import EXPERIMENT
from tests.workflow.snakemake_run import planned_jobs, run
from tests.workflow.test_rerun import merged
from tests.workflow.tiny import tiny_experiment, write_experiment

OTHER = Path("config/other.yaml")
REPORT = "results/other/report.html"
RATE = {"trainer_params": {"synthetic": {"learning_rate": 1e-3}}}
REUSE = {"run_params": {"experiment_name": "other"}, "reuse": "burgers_2d"}


def write_other(folder: Path, **changes) -> None:
    """An experiment like the default one with another learning rate, and further changes."""
    (folder / OTHER).parent.mkdir(parents=True, exist_ok=True)
    experiment = merged(merged(merged(tiny_experiment(), RATE), REUSE), changes)
    (folder / OTHER).write_text(yaml.safe_dump(experiment))


def test_shared_stages_are_those_of_the_other_experiment(tmp_path: Path) -> None:
    write_experiment(tmp_path / EXPERIMENT)
    write_other(tmp_path)
    jobs = planned_jobs(tmp_path, REPORT)
    wanted = ("simulate", "cache", "train_physical", "augment", "reuse", "train_synthetic")
    assert {name: jobs[name] for name in wanted} == dict.fromkeys(wanted, 1)


def test_after_a_finished_run_only_the_surrogate_is_trained(copy_of_finished: Path) -> None:
    write_other(copy_of_finished)
    jobs = planned_jobs(copy_of_finished, REPORT)
    jobs.pop("total", None)
    assert jobs == dict.fromkeys(("reuse", "train_synthetic", "evaluate", "report"), 1)
    done = run(copy_of_finished, "results/other/physical/parameters.yaml")
    assert done.returncode == 0, done.stdout
    results = copy_of_finished / "results"
    for name in ("physical/parameters.yaml", "physical/history.csv"):
        here, there = (results / each / name for each in ("other", "burgers_2d"))
        assert here.read_bytes() == there.read_bytes()


@pytest.mark.nightly
def test_whole_run_with_reuse(copy_of_finished: Path) -> None:
    write_other(copy_of_finished)
    done = run(copy_of_finished, REPORT)
    assert done.returncode == 0, done.stdout
    assert not (copy_of_finished / "results/other/augmented").exists()
    assert sum(planned_jobs(copy_of_finished, REPORT).values()) == 0


REFUSED = {
    "a setting of the calibration": (
        {"trainer_params": {"physical": {"starts": 2}}},
        "reuse: burgers_2d: trainer_params.physical.starts: 2 here, 1 in config/burgers_2d.yaml; "
        "the stage train_physical is shared",
    ),
    "the seed": ({"run_params": {"seed": 1}}, "run_params.seed: 1 here, 0 in"),
    "the data": (
        {"data": {"dset_name": "others"}},
        "data.data_dir, data.dset_name: data/others here, data/burgers_2d in",
    ),
    "the number of generated simulations": (
        {"augmentation": {"num_simulations": 4}},
        "augmentation.num_simulations: 4 here, 3 in",
    ),
    "cycles": ({"hybrid": {"cycles": 2}}, "reuse: burgers_2d: hybrid.cycles: 2: in later cycles"),
    "a surrogate alone": (
        {"run_params": {"model_type": "synthetic"}},
        "reuse: burgers_2d: run_params.model_type: synthetic: takes over no calibration",
    ),
    "itself": ({"reuse": "other"}, "reuse: other: is this experiment"),
    "an unknown experiment": ({"reuse": "burgers_3d"}, "config/other.yaml: reuse: experiment:"),
    "one that reuses": ({"reuse": "third"}, "reuse: third: takes over the results of burgers_2d"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_differences_of_shared_stages_are_named(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, message = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path / EXPERIMENT)
    write_other(tmp_path, **changes)
    (tmp_path / "config/third.yaml").write_text(
        yaml.safe_dump(tiny_experiment(reuse="burgers_2d", run_params={}))
    )
    with pytest.raises(ConfigError) as error:
        RequestedExperiments({"experiment": str(OTHER)}, claim=False)
    assert message in str(error.value)


def test_surrogate_settings_may_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path / EXPERIMENT)
    write_other(
        tmp_path,
        model={"synthetic": {"bundle": 2}},
        augmentation={"alpha": 0.25},
        evaluation_params={"num_steps": 3},
    )
    plans = RequestedExperiments({"experiment": str(OTHER)}, claim=False)
    assert plans.default.reused is not None and plans.default.reused.name == "burgers_2d"
