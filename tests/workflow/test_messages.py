"""Logs of failed stages, which Snakemake shows, and their messages on the terminal."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import EXPERIMENT
from tests.workflow.snakemake_run import run
from tests.workflow.tiny import ROOT, settings_path


def log_of_failed_stage(folder: Path, settings: str) -> str:
    options = {
        "--settings": settings_path(folder, settings),
        "--shard": "000000-000000",
        "--cache": "cached.json",
        "--parameters": "parameters.yaml",
        "--output": "generated.json",
        "--log": "augment.log",
    }
    command = [sys.executable, str(ROOT / "workflow/scripts/augment.py")]
    finished = subprocess.run(
        [*command, *(part for option in options.items() for part in option)],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    return (folder / "augment.log").read_text()


def test_user_errors_are_logged_without_traceback(tmp_path: Path) -> None:
    log = log_of_failed_stage(tmp_path, "{}")
    assert "model.physical: missing" in log
    assert "Traceback" not in log


def test_errors_in_a_users_module_are_logged_with_traceback(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def broken():\n    return 1 / 0\n\n\nbroken()\n")
    log = log_of_failed_stage(tmp_path, '{"model":{"physical":{"name":"Own","module":"own.py"}}}')
    assert "model.physical.module: own.py: cannot be imported: ZeroDivisionError" in log
    assert "return 1 / 0" in log


FAILING = """
import os

from torch import nn

from hybrid_pde.models import ModelRegistry


@ModelRegistry.register_synthetic("Failing")
class Failing(nn.Module):
    def __init__(self, in_channels, out_channels, spatial_dims, boundary):
        super().__init__()
        self.layer = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, values):
        return self.layer(values) / (0 if "FAILS" in os.environ else 1)
"""


def test_a_failed_stage_shows_no_traceback_on_the_terminal(
    copy_of_finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copy_of_finished / EXPERIMENT
    experiment = yaml.safe_load(path.read_text())
    section = experiment["model"]["synthetic"]
    section |= {"name": "Failing", "module": "failing.py", "architecture": {}}
    path.write_text(yaml.safe_dump(experiment))
    (copy_of_finished / "failing.py").write_text(FAILING.replace("/ (0", "@ (0"))
    monkeypatch.setenv("FAILS", "1")
    failed = run(copy_of_finished, "results/burgers_2d/synthetic_model.pt")
    assert failed.returncode != 0
    assert "TypeError" in failed.stdout
    assert "Traceback" not in failed.stdout
    log = (copy_of_finished / "results/burgers_2d/logs/train_synthetic.log").read_text()
    assert "Traceback" in log and "@ (0" in log


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="there is no /proc here")
def test_a_program_interrupted_during_its_imports_shows_no_traceback(tmp_path: Path) -> None:
    paths = ("--cache", "--parameters", "--history", "--checkpoints")
    command = [
        *(sys.executable, str(ROOT / "workflow/scripts/train_physical.py")),
        *("--settings", settings_path(tmp_path, "{}"), "--code", "0"),
        *(word for option in paths for word in (option, str(tmp_path / option.strip("-")))),
    ]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as started:
        deadline = time.monotonic() + 60
        while "numpy" not in Path(f"/proc/{started.pid}/maps").read_text():
            assert started.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        started.send_signal(signal.SIGINT)
        shown = started.communicate(timeout=60)[1]
    assert started.returncode == 75, shown
    assert shown == "ERROR: ended by SIGINT; run the same command again to continue\n"
