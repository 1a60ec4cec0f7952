"""After Snakemake itself was killed: makes sure that no job of this folder lives on, and unlocks.

``make resume`` calls this and then goes on. Options and targets of Snakemake are handed on to
``snakemake --unlock``, which has to read the same experiment.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from hybrid_pde.errors import RunningError, UserError
from hybrid_pde.workflow.launch_record import Started
from hybrid_pde.workflow.live_processes import (
    cancel_slurm_jobs,
    end_processes,
    snakemakes,
    stage_processes,
)

SNAKEFILE = Path(__file__).resolve().parents[3] / "Snakefile"


def parser() -> argparse.ArgumentParser:
    """The program's options; all others are Snakemake's."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--grace-s",
        type=float,
        default=60.0,
        help="how long a job may take to save its state before it is killed [s]",
    )
    options.add_argument(
        "--gone",
        action="store_true",
        help="the other machine that Snakemake ran on here is gone, or runs it no more",
    )
    return options


def free(folder: Path, grace_s: float, gone: bool = False) -> list[str]:
    """End all that a killed Snakemake has left running in a folder.

    Args:
        folder: The working directory of the workflow.
        grace_s: How long a job may take to save its state before it is killed [s].
        gone: Whether calls of Snakemake on other machines are known to have ended.

    Returns:
        What was ended, a sentence each.

    Raises:
        RunningError: if Snakemake runs here still, or may run on another machine.
    """
    started = Started(folder)
    alive = snakemakes(folder)
    if alive:
        numbers = ", ".join(str(process.pid) for process in alive)
        raise RunningError(
            f"{folder}: Snakemake runs here (process {numbers}): wait for it, or stop it with "
            f"`kill -INT {alive[0].pid}`; there is nothing to resume"
        )
    elsewhere = started.elsewhere()
    if elsewhere and not gone:
        raise RunningError(
            f"{folder}: Snakemake was last called here on {', '.join(elsewhere)}: resume there, or "
            "add --gone if it runs no more on that machine"
        )
    told = []
    cancelled = cancel_slurm_jobs(folder, grace_s)
    if cancelled:
        told.append(f"cancelled Slurm jobs {', '.join(cancelled)}")
    orphans = stage_processes(folder)
    if orphans:
        killed = end_processes(orphans, grace_s)
        numbers = ", ".join(str(process.pid) for process in orphans)
        told.append(f"ended processes {numbers}" + (f", {killed} by force" if killed else ""))
    started.clear()
    return told


def unlock(folder: Path, arguments: list[str]) -> None:
    """Remove Snakemake's lock.

    Args:
        folder: The working directory of the workflow.
        arguments: Options and targets of the call that was killed.

    Raises:
        RunningError: if Snakemake cannot, e.g. since the experiment has a mistake.
    """
    snakefile = [] if _has_snakefile(arguments) else ["--snakefile", str(SNAKEFILE)]
    finished = subprocess.run(
        [sys.executable, "-m", "snakemake", *snakefile, "--unlock", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise RunningError(f"snakemake --unlock: {finished.stderr.strip()}")


def main(arguments: list[str]) -> None:
    """Free and unlock the working directory, or exit with 1 and a sentence."""
    options, others = parser().parse_known_args(arguments)
    folder = Path.cwd().resolve()
    try:
        for sentence in free(folder, options.grace_s, options.gone):
            print(sentence, flush=True)
        unlock(folder, others)
    except UserError as error:
        sys.exit(f"{error}")
    print(f"{folder}: unlocked; the same call as before goes on", flush=True)


def _has_snakefile(arguments: list[str]) -> bool:
    return any(word.split("=")[0] in ("--snakefile", "-s") for word in arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
