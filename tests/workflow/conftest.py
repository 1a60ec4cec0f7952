"""The tiny pipeline, run once for all tests that look at its results."""

import shutil
from pathlib import Path

import pytest

from tests.workflow.snakemake_run import TARGET, run
from tests.workflow.tiny import write_experiment

EXPERIMENT = "config/burgers_2d.yaml"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny default experiment has run; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    write_experiment(folder / EXPERIMENT)
    result = run(folder, TARGET)
    assert result.returncode == 0, result.stdout
    return folder


@pytest.fixture
def copy_of_finished(finished: Path, tmp_path: Path) -> Path:
    """The same to be changed; times are kept, so that nothing looks newer than it is."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, copy_function=shutil.copy2)
    return folder
