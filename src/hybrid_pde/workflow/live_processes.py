"""What still runs in a folder: calls of Snakemake, programs of stages, jobs of Slurm."""

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
_STAGE = "-m workflow.scripts."
# the executor plugin names all jobs of a call by one random id, after a prefix of the user's
_SLURM_NAME = re.compile(r"(?:.*_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SLURM_LOGS = ".snakemake/slurm_logs"
POLL_S = 1.0


def snakemakes(folder: Path) -> list[psutil.Process]:
    """Calls of Snakemake by a user that run in the folder, on this machine."""
    return [process for process, words in _processes(folder) if _is_call(words)]


def stage_processes(folder: Path) -> list[psutil.Process]:
    """Programs of stages in the folder, on this machine, with the shells around them."""
    found = [process for process, words in _processes(folder) if _is_job(words)]
    children = [child for process in found for child in _children(process)]
    return list(dict.fromkeys([*found, *children]))


def end_processes(processes: Sequence[psutil.Process], grace_s: float) -> int:
    """End processes: SIGTERM, which lets a training save its state, and SIGKILL for what stays.

    Returns:
        How many had to be killed.
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
        RunningError: if the queue does not answer.
    """
    if shutil.which("squeue") is None:
        return []
    try:
        queue = _slurm("squeue", "--user", str(os.getuid()), "--noheader", "--format=%i|%j|%Z")
    except RunningError:
        if (folder / _SLURM_LOGS).exists():
            raise
        return []  # its programs are installed, and nothing of this folder has ever used them
    jobs = []
    for line in queue.splitlines():
        number, _, rest = line.strip().partition("|")
        name, _, directory = rest.partition("|")
        if _SLURM_NAME.fullmatch(name) and Path(directory).resolve() == folder:
            jobs.append(number)
    own = os.environ.get("SLURM_JOB_ID")
    return [job for job in jobs if job.partition("_")[0] != own]


def cancel_slurm_jobs(folder: Path, grace_s: float) -> list[str]:
    """Cancel the folder's Slurm jobs and wait until they have left the queue.

    Returns:
        Their ids.

    Raises:
        RunningError: if they stay in the queue.
    """
    cancelled = slurm_jobs(folder)
    if not cancelled:
        return []
    _slurm("scancel", *cancelled)
    deadline = time.monotonic() + grace_s
    while left := slurm_jobs(folder):
        if time.monotonic() > deadline:
            raise RunningError(
                f"{folder}: Slurm jobs {', '.join(left)} stay in the queue; call again when "
                "`squeue` no longer lists them"
            )
        time.sleep(POLL_S)
    return cancelled


def _processes(folder: Path) -> Iterable[tuple[psutil.Process, list[str]]]:
    """Processes in the folder with their command lines, but for this one and its ancestors."""
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
            continue  # has just ended, or is another user's


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _is_call(words: list[str]) -> bool:
    return _is_snakemake(words) and not _is_spawned(words)


def _is_job(words: list[str]) -> bool:
    return _STAGE in " ".join(words) or (_is_snakemake(words) and _is_spawned(words))


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
            f"{command[0]}: {' '.join(said.split())}: whether jobs of this folder still run cannot "
            "be told; call again when Slurm answers"
        ) from None
    return finished.stdout
