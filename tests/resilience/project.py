"""A copy of the project in which the work of every stage is counted."""

import os
import shutil
import sys
from pathlib import Path

from tests.workflow.tiny import ROOT

PARTS = ("Snakefile", "src", "workflow", "profiles", "config")
TARGET = "results/synthetic_model.pt"


class Project:
    """The copy: what changes in the project meanwhile does not change what is measured.

    Args:
        root: Where it is put; one that is there is taken as it is.
        slurm: Whether the stages are jobs of Slurm.
        target: What is made.
    """

    def __init__(self, root: Path, slurm: bool = False, target: str = TARGET) -> None:
        self.root, self.target = root, target
        self.arguments = self._slurm() if slurm else self._local()
        if root.exists():
            return
        root.mkdir(parents=True)
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
            copy(ROOT / part, root / part)
        shutil.copy2(Path(__file__).with_name("counting_hook.py"), root / "sitecustomize.py")

    def run_command(self) -> list[str]:
        """The call of Snakemake, the first and every further one."""
        return [*self._snakemake(), *self.arguments, self.target]

    def resume_command(self) -> list[str]:
        """What ``make resume`` does before that call, where Snakemake itself was killed."""
        snakefile = ("--snakefile", str(self.root / "Snakefile"))
        return [
            sys.executable,
            "-m",
            "hybrid_pde.workflow.resume",
            *snakefile,
            *self.arguments,
            self.target,
        ]

    def environment(self, ledger: Path) -> dict[str, str]:
        """Of all processes: one thread, and notes of the work in ``ledger``."""
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return kept | {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": f"{self.root}{os.pathsep}{self.root / 'src'}",
            "WORK_LEDGER": str(ledger.resolve()),
        }

    def _local(self) -> list[str]:
        # one thread a stage, which is faster for grids this small
        return ["--profile", str(self.root / "profiles" / "default"), "--cores", "1"]

    def _slurm(self) -> list[str]:
        return [
            *("--workflow-profile", str(self.root / "profiles" / "slurm")),
            *("--slurm-no-account", "--slurm-status-command", "squeue"),
            *("--slurm-init-seconds-before-status-checks", "5"),
            *("--max-threads", "1"),
        ]

    def _snakemake(self) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--snakefile", str(self.root / "Snakefile")]
