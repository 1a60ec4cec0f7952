"""Caches and generated simulations that were removed by hand."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import EXPERIMENT
from tests.workflow.snakemake_run import planned_jobs, run

CACHE = Path("data/cache/burgers_2d")
GENERATED = Path("results/burgers_2d/augmented")
TRAINED = "results/burgers_2d/synthetic_model.pt"
PLACES = {
    "cache": (CACHE, "cached_000000-000003.json"),
    "augment": (GENERATED, "generated_000000-000002.json"),
}


def train_for(folder: Path, epochs: int) -> None:
    experiment = yaml.safe_load((folder / EXPERIMENT).read_text())
    experiment["trainer_params"]["synthetic"]["epochs"] = epochs
    (folder / EXPERIMENT).write_text(yaml.safe_dump(experiment))


@pytest.mark.parametrize("rule", PLACES)
def test_removed_folder_is_not_recomputed_if_unneeded(copy_of_finished: Path, rule: str) -> None:
    shutil.rmtree(copy_of_finished / PLACES[rule][0])
    assert planned_jobs(copy_of_finished) == {}


@pytest.mark.parametrize("rule", PLACES)
def test_removed_folder_is_recomputed_if_needed(copy_of_finished: Path, rule: str) -> None:
    shutil.rmtree(copy_of_finished / PLACES[rule][0])
    train_for(copy_of_finished, 2)
    jobs = planned_jobs(copy_of_finished)
    assert jobs[rule] == jobs["train_synthetic"] == 1


@pytest.mark.parametrize("rule", ["cache", pytest.param("augment", marks=pytest.mark.nightly)])
def test_missing_simulation_is_reported_with_the_remedy(copy_of_finished: Path, rule: str) -> None:
    directory, manifest = PLACES[rule]
    removed = directory / "sim_000001.safetensors"
    before = (copy_of_finished / removed).read_bytes()
    (copy_of_finished / removed).unlink()
    assert planned_jobs(copy_of_finished) == {}, "no job needs it"
    train_for(copy_of_finished, 2)
    failed = run(copy_of_finished, TRAINED)
    assert failed.returncode != 0
    assert f"{removed}: simulation 1 is not there" in failed.stdout
    assert f"delete {directory / manifest} and call the same command" in failed.stdout

    (copy_of_finished / directory / manifest).unlink()
    again = run(copy_of_finished, str(directory / manifest))
    assert again.returncode == 0, again.stdout
    assert (copy_of_finished / removed).read_bytes() == before
