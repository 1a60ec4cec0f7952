"""The resource ``scratch``: training reads its simulations from a node's local disk."""

from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import EXPERIMENT
from tests.workflow.snakemake_run import run

RESULTS = Path("results/burgers_2d")


def test_simulations_are_read_from_the_nodes_local_disk(
    copy_of_finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copy_of_finished / EXPERIMENT
    experiment = yaml.safe_load(path.read_text())
    experiment["trainer_params"]["synthetic"]["epochs"] = 1
    path.write_text(yaml.safe_dump(experiment))
    disk = tmp_path / "a disk"
    monkeypatch.setenv("NODES_DISK", str(disk))
    target, option = str(RESULTS / "synthetic_model.pt"), "train_synthetic:scratch='$NODES_DISK'"
    disk.mkdir()
    before = disk.stat().st_mtime_ns
    trained = run(copy_of_finished, target, "--set-resources", option)
    assert trained.returncode == 0, trained.stdout
    assert not list(disk.iterdir())
    assert disk.stat().st_mtime_ns > before, "the disk held copies during the training"
