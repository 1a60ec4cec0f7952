"""Calls of Snakemake from another folder, as a user makes them in a shell."""

import atexit
import json
import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.workflow.tiny import ROOT

TARGET = "results/synthetic_model.pt"


# for programs started in other folders, whether the project is installed or not
PYTHONPATH = f"{ROOT}{os.pathsep}{ROOT / 'src'}"


def command(*arguments: str) -> list[str]:
    """Command line of Snakemake; ``arguments`` are targets and options."""
    return [
        sys.executable,
        "-m",
        "snakemake",
        *("--snakefile", str(ROOT / "Snakefile")),
        *("--profile", str(ROOT / "profiles" / "default")),
        *("--cores", "2"),
        *arguments,
    ]


@cache
def warm(process: int) -> subprocess.Popen[str]:
    """The warm Snakemake of a test process; forked processes start their own."""
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.workflow.warm_snakemake"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PYTHONPATH},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(started.communicate)
    return started


def run_cold(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run to the end in a new Python process, as a user's shell does."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run to the end in ``folder``; the output includes standard error.

    Another Snakefile belongs to another copy of the code, which needs a new process.
    """
    if "--snakefile" in arguments:
        return run_cold(folder, *arguments)
    words = command(*arguments)[3:]
    with tempfile.NamedTemporaryFile("r", prefix="snakemake_", suffix=".txt") as output:
        call = {
            "arguments": words,
            "folder": str(folder),
            "environment": {**os.environ, "OMP_NUM_THREADS": "1"},
            "output": output.name,
        }
        process = warm(os.getpid())
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{json.dumps(call)}\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        assert answer, "the warm Snakemake has ended"
        return subprocess.CompletedProcess(words, int(answer), output.read())


def planned_jobs(folder: Path, *arguments: str) -> dict[str, int]:
    """Number of jobs of each rule that a dry run announces."""
    finished = run(folder, "--dry-run", *(arguments or (TARGET,)))
    assert finished.returncode == 0, finished.stdout
    if "Nothing to be done" in finished.stdout:
        return {}
    table = finished.stdout.partition("Job stats:")[2].partition("total")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
