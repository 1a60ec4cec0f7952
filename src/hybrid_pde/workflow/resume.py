"""Cleaning up after a killed Snakemake: ends the jobs it left in this folder, and unlocks.

``make resume`` calls this and then runs Snakemake again. Options and targets of Snakemake are
passed to ``snakemake --unlock``, which must read the same experiment.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from hybrid_pde.errors import RunningError, UserError
from hybrid_pde.interruption import end_without_traceback
from hybrid_pde.workflow.launch_record import JOBS, LaunchRecord
from hybrid_pde.workflow.live_processes import (
    cancel_slurm_jobs,
    end_processes,
    snakemake_calls,
    stage_processes,
)

SNAKEFILE = Path(__file__).resolve().parents[3] / "Snakefile"


def parser() -> argparse.ArgumentParser:
    """The program's options; all others go to Snakemake."""
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
        help="Snakemake no longer runs on the other machine on which it was started here",
    )
    return options


def end_jobs(folder: Path, grace_s: float, gone: bool = False) -> list[str]:
    """End everything that a killed Snakemake has left running in a folder.

    Args:
        folder: The working directory of the workflow.
        grace_s: How long a job may take to save its state before it is killed [s].
        gone: Whether calls of Snakemake on other machines are known to have ended.

    Returns:
        A message for each kind of job that was ended.

    Raises:
        RunningError: if Snakemake still runs here, or may run on another machine.
    """
    record = LaunchRecord(folder)
    alive = snakemake_calls(folder)
    if alive:
        numbers = ", ".join(map(str, alive))
        raise RunningError(
            f"{folder}: Snakemake runs here (process {numbers}): wait for it, or stop it with "
            f"`kill -INT {alive[0]}`; there is nothing to resume"
        )
    others = record.other_hosts()
    if others and not gone:
        raise RunningError(
            f"{folder}: Snakemake was last called here on {', '.join(others)}: resume there, or "
            "add --gone if it no longer runs on that machine"
        )
    ended = []
    cancelled = cancel_slurm_jobs(folder, grace_s)
    if cancelled:
        ended.append(f"cancelled Slurm jobs {', '.join(cancelled)}")
    orphans = stage_processes(folder)
    if orphans:
        killed = end_processes(orphans, grace_s)
        numbers = ", ".join(str(process.pid) for process in orphans)
        ended.append(f"ended processes {numbers}" + (f", {killed} by force" if killed else ""))
    record.clear()
    LaunchRecord(folder, JOBS).clear()
    return ended


def unlock(folder: Path, arguments: list[str]) -> None:
    """Remove Snakemake's lock.

    Args:
        folder: The working directory of the workflow.
        arguments: Options and targets of the call that was killed.

    Raises:
        RunningError: if Snakemake cannot, e.g. because the experiment is invalid.
    """
    # without a repository around the library, Snakemake finds the Snakefile of the folder
    use_own = SNAKEFILE.is_file() and not _has_snakefile(arguments)
    snakefile = ["--snakefile", str(SNAKEFILE)] if use_own else []
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
    """End jobs and unlock the working directory; exits with 1 and a message after an error."""
    options, others = parser().parse_known_args(arguments)
    folder = Path.cwd().resolve()
    try:
        for sentence in end_jobs(folder, options.grace_s, options.gone):
            print(sentence, flush=True)
        unlock(folder, others)
    except UserError as error:
        sys.exit(f"{error}")
    print(f"{folder}: unlocked; the same call as before continues", flush=True)


def _has_snakefile(arguments: list[str]) -> bool:
    return any(word.split("=")[0] in ("--snakefile", "-s") for word in arguments)


if __name__ == "__main__":
    end_without_traceback()
    main(sys.argv[1:])
