"""Time of what is done before any computing: imports, a dry run, a stage without work."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_RUNS = 3


@dataclass(frozen=True)
class StartUp:
    """Seconds until a program can begin.

    Attributes:
        what: The program.
        seconds: Median wall time.
        most: What was aimed at.
    """

    what: str
    seconds: float
    most: float | None

    def to_json(self) -> dict[str, Any]:
        """The attributes, as JSON types."""
        return {"what": self.what, "seconds": self.seconds, "most": self.most}


def start_up() -> Iterator[StartUp]:
    """The interpreter with each of the packages, the command line, and a dry run."""
    python = sys.executable
    programs: list[tuple[str, list[str], float | None]] = [
        ("python -c 'import hybrid_pde'", _importing("hybrid_pde"), None),
        # a lower bound that this library cannot change
        ("python -c 'import torch'", _importing("torch"), None),
        ("python -c 'import snakemake.cli'", _importing("snakemake.cli"), None),
        ("hybrid-pde --help", [python, "-m", "hybrid_pde", "--help"], 0.5),
        (
            "imports of a stage that needs no PyTorch",
            _importing("hybrid_pde.stages.cache"),
            1.5,
        ),
        ("imports of the calibration", _importing("hybrid_pde.stages.train_physical"), None),
        (
            "imports of the training of a surrogate",
            _importing("hybrid_pde.stages.train_synthetic"),
            None,
        ),
        (
            "dry run of the default experiment",
            [python, "-m", "snakemake", "--cores", "2", "-n", "results/synthetic_model.pt"],
            None,
        ),
    ]
    for what, command, most in programs:
        yield StartUp(what, _seconds(command), most)


def _importing(module: str) -> list[str]:
    return [sys.executable, "-c", f"import {module}"]


def _seconds(command: list[str]) -> float:
    taken = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        taken.append(time.perf_counter() - begin)
    return median(taken)
