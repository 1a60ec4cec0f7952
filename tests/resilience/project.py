"""A copy of the project that counts the work of every stage."""

import os
import shutil
import sys
from pathlib import Path

from tests.workflow.tiny import ROOT

PARTS = ("Snakefile", "src", "workflow", "profiles", "config")
TARGET = "results/synthetic_model.pt"


class Project:
    """The copy; edits of the project during a campaign do not affect the measurement.

    Args:
        root: Folder of the copy; an existing copy is used as it is.
        slurm: Whether the stages run as Slurm jobs.
        target: Target of Snakemake.
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
        """Command line of Snakemake, for the first call and all later ones."""
        return [*self._snakemake(), *self.arguments, self.target]

    def resume_command(self) -> list[str]:
        """Command line that ``make resume`` runs before Snakemake."""
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
        """Environment of all processes: one thread, and notes of the work in ``ledger``."""
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return kept | {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": f"{self.root}{os.pathsep}{self.root / 'src'}",
            "WORK_LEDGER": str(ledger.resolve()),
        }

    def _local(self) -> list[str]:
        # one thread per stage, which is faster for such small grids
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
