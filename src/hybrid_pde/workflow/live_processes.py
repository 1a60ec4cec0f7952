"""Running processes of a folder: calls of Snakemake, programs of stages, Slurm jobs."""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from hybrid_pde.errors import RunningError

_SPAWNED = {"subprocess", "remote"}  # --mode of a Snakemake that runs one job for another one
# a program of a stage with its first option; no editor or pager that has the file open
_STAGE = re.compile(r"workflow/scripts'?/\w+\.py'? --")
# the executor plugin names all jobs of a call by one random id, after a prefix of the user's
_SLURM_NAME = re.compile(r"(?:.*_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SLURM_LOGS = ".snakemake/slurm_logs"
POLL_S = 1.0


def snakemake_calls(folder: Path) -> list[psutil.Process]:
    """Snakemake processes that a user started in the folder, on this machine."""
    return [process for process, words in _processes(folder) if _is_call(words)]


def stage_processes(folder: Path) -> list[psutil.Process]:
    """Programs of stages in the folder, on this machine, with their shells and children."""
    found = [process for process, words in _processes(folder) if _is_job(words)]
    children = [child for process in found for child in _children(process)]
    return list(dict.fromkeys([*found, *children]))


def end_processes(processes: Sequence[psutil.Process], grace_s: float) -> int:
    """End processes by SIGTERM, so that a training saves its state, then by SIGKILL.

    Args:
        processes: The processes.
        grace_s: Time between the two signals [s].

    Returns:
        Number of processes that had to be killed.
    """
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=grace_s)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=grace_s)
    return len(alive)


def slurm_jobs(folder: Path) -> list[str]:
    """Ids of Snakemake's Slurm jobs whose work directory is the folder; none without Slurm.

    Raises:
        RunningError: if Slurm does not answer.
    """
    if shutil.which("squeue") is None:
        return []
    try:
        queue = _slurm("squeue", "--user", str(os.getuid()), "--noheader", "--format=%i|%j|%Z")
    except RunningError:
        if (folder / _SLURM_LOGS).exists():
            raise
        return []  # Slurm is installed, but this folder has never used it
    jobs = []
    for line in queue.splitlines():
        number, _, rest = line.strip().partition("|")
        name, _, directory = rest.partition("|")
        if _SLURM_NAME.fullmatch(name) and Path(directory).resolve() == folder:
            jobs.append(number)
    own = os.environ.get("SLURM_JOB_ID")
    return [job for job in jobs if job.partition("_")[0] != own]


def cancel_slurm_jobs(folder: Path, grace_s: float) -> list[str]:
    """Cancel the folder's Slurm jobs and wait until they have left the queue, at most ``grace_s``.

    Returns:
        The ids of the cancelled jobs.

    Raises:
        RunningError: if jobs remain in the queue.
    """
    cancelled = slurm_jobs(folder)
    if not cancelled:
        return []
    _slurm("scancel", *cancelled)
    deadline = time.monotonic() + grace_s
    while left := slurm_jobs(folder):
        if time.monotonic() > deadline:
            raise RunningError(
                f"{folder}: Slurm jobs {', '.join(left)} remain in the queue; call again when "
                "`squeue` no longer lists them"
            )
        time.sleep(POLL_S)
    return cancelled


def _processes(folder: Path) -> Iterable[tuple[psutil.Process, list[str]]]:
    """Processes in the folder and their command lines, except this one and its ancestors."""
    this = psutil.Process()
    around = {this.pid, *(parent.pid for parent in this.parents())}
    for process in psutil.process_iter():
        if process.pid in around:
            continue
        try:
            words = process.cmdline()  # empty for a zombie
            if words and Path(process.cwd()) == folder:
                yield process, words
        except (psutil.Error, OSError):
            continue  # it has just ended, or belongs to another user


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _is_call(words: list[str]) -> bool:
    return _is_snakemake(words) and not _is_spawned(words)


def _is_job(words: list[str]) -> bool:
    return bool(_STAGE.search(" ".join(words))) or (_is_snakemake(words) and _is_spawned(words))


def _is_snakemake(words: list[str]) -> bool:
    """Whether it is ``snakemake …``, ``python …/snakemake …`` or ``python -m snakemake …``."""
    return any(Path(word).name == "snakemake" for word in words[:3])


def _is_spawned(words: list[str]) -> bool:
    modes = [word for before, word in zip(words, words[1:], strict=False) if before == "--mode"]
    return bool(_SPAWNED.intersection(modes))


def _slurm(*command: str) -> str:
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise RunningError(
            f"{command[0]}: {' '.join(said.split())}: unknown whether jobs of this folder "
            "still run; call again when Slurm answers"
        ) from None
    return finished.stdout
