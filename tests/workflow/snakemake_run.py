"""Runs Snakemake on the project from another folder, as a user would from a shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.workflow.tiny import ROOT

TARGET = "results/synthetic_model.pt"


def command(*arguments: str) -> list[str]:
    """The command line; ``arguments`` are targets and options."""
    return [
        sys.executable,
        "-m",
        "snakemake",
        *("--snakefile", str(ROOT / "Snakefile")),
        *("--profile", str(ROOT / "profiles" / "default")),
        *("--cores", "2"),
        *arguments,
    ]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run to the end in ``folder``; the output has standard error in it."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def planned_jobs(folder: Path, *arguments: str) -> dict[str, int]:
    """How many jobs of each rule a dry run announces."""
    finished = run(folder, "--dry-run", *(arguments or (TARGET,)))
    assert finished.returncode == 0, finished.stdout
    if "Nothing to be done" in finished.stdout:
        return {}
    table = finished.stdout.partition("Job stats:")[2].partition("total")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
