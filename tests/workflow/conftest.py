"""The tiny pipeline, run once for all workers and all tests that look at its results."""

import shutil
from pathlib import Path

import pytest

from tests.built_once import built_once
from tests.workflow.snakemake_run import TARGET, run
from tests.workflow.tiny import write_experiment

EXPERIMENT = "config/burgers_2d.yaml"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny default experiment has run; not to be changed."""

    def build(folder: Path) -> None:
        write_experiment(folder / EXPERIMENT)
        result = run(folder, TARGET)
        assert result.returncode == 0, result.stdout

    return built_once(tmp_path_factory, "finished", build)


@pytest.fixture
def copy_of_finished(finished: Path, tmp_path: Path) -> Path:
    """The same to be changed; times are kept, so that nothing looks newer than it is."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, copy_function=shutil.copy2)
    return folder
