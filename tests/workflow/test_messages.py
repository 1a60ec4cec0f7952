"""What a stage's program leaves in its log, which Snakemake shows after a failure."""

import subprocess
import sys
from pathlib import Path

from tests.workflow.tiny import ROOT


def log_of_failed_stage(folder: Path, settings: str) -> str:
    options = {
        "--settings": settings,
        "--shard": "000000-000000",
        "--cache": "cached.json",
        "--parameters": "parameters.yaml",
        "--output": "generated.json",
        "--log": "augment.log",
    }
    command = [sys.executable, "-m", "workflow.scripts.augment"]
    finished = subprocess.run(
        [*command, *(part for option in options.items() for part in option)],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    return (folder / "augment.log").read_text()


def test_mistake_of_the_user_is_logged_without_traceback(tmp_path: Path) -> None:
    log = log_of_failed_stage(tmp_path, "{}")
    assert "model.physical: missing" in log
    assert "Traceback" not in log


def test_cause_in_a_module_of_the_user_is_logged_with_traceback(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def broken():\n    return 1 / 0\n\n\nbroken()\n")
    log = log_of_failed_stage(tmp_path, '{"model":{"physical":{"name":"Own","module":"own.py"}}}')
    assert "model.physical.module: own.py: cannot be imported: ZeroDivisionError" in log
    assert "return 1 / 0" in log
