"""Fixtures: a finished run of the tiny pipeline, shared by all workers, and a copy of it."""

import shutil
from pathlib import Path

import pytest

from tests.built_once import built_once
from tests.workflow.snakemake_run import TARGET, run
from tests.workflow.tiny import write_experiment

EXPERIMENT = "config/burgers_2d.yaml"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of the tiny default experiment; tests must not change it."""

    def build(folder: Path) -> None:
        write_experiment(folder / EXPERIMENT)
        result = run(folder, TARGET)
        assert result.returncode == 0, result.stdout

    return built_once(tmp_path_factory, "finished", build)


@pytest.fixture
def copy_of_finished(finished: Path, tmp_path: Path) -> Path:
    """A copy that tests may change; it keeps the modification times."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, copy_function=shutil.copy2)
    return folder
