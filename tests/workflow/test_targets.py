"""Targets of Snakemake when none is given."""

from pathlib import Path

from tests.workflow.snakemake_run import planned_jobs
from tests.workflow.tiny import write_experiment

DEFAULT = ("--config", "experiment=burgers_2d")


def test_without_a_target_the_whole_default_experiment_is_planned(tmp_path: Path) -> None:
    write_experiment(tmp_path / "config/burgers_2d.yaml")
    jobs = planned_jobs(tmp_path, *DEFAULT)
    assert {"train_physical", "train_synthetic", "report", "synthetic_model"} <= set(jobs)


def test_without_a_target_a_physical_experiment_ends_with_its_report(tmp_path: Path) -> None:
    run_params = {"experiment_name": "burgers_2d", "model_type": "physical"}
    write_experiment(tmp_path / "config/burgers_2d.yaml", run_params=run_params)
    jobs = planned_jobs(tmp_path, *DEFAULT)
    assert {"train_physical", "report"} <= set(jobs)
    assert "train_synthetic" not in jobs
