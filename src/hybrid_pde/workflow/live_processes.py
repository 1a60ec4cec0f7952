"""Running processes of a folder: calls of Snakemake, programs of stages, Slurm jobs.

Processes are known by the records that they write when they start. One that has not come to that
is known by its arguments, each by its position: a path among the arguments of another program,
such as an editor, means nothing.
"""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from hybrid_pde.errors import RunningError
from hybrid_pde.workflow.launch_record import JOBS, LaunchRecord

# with which every command of a job begins; see workflow/rules/common.smk
SHELL_PREFIX = "set -euo pipefail; trap : TERM; "
_SPAWNED = {"subprocess", "remote"}  # --mode of a Snakemake that runs one job for another one
_STAGE = re.compile(
    r"(?:.*/)?workflow/scripts/(?:simulate|cache|calibrate|train_physical|augment|train_synthetic|guide|"
    r"hybrid|evaluate|report)\.py"
)
_PYTHON = re.compile(r"python(?:\d+(?:\.\d+)?)?")
_WITH_VALUE = {"-W", "-X", "--check-hash-based-pycs"}  # options of Python with a separate value
_SHELLS = {"bash", "sh"}
# the executor plugin names all jobs of a call by one random id, after a prefix of the user's
_SLURM_NAME = re.compile(r"(?:.*_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SLURM_LOGS = ".snakemake/slurm_logs"
_LOCKS = ".snakemake/locks"
POLL_S = 1.0


def snakemake_calls(folder: Path) -> list[int]:
    """Ids of Snakemake processes that a user started in the folder, on this machine.

    A process that cannot be looked into counts as running here if it is recorded here, or if its
    user owns a lock of the folder.
    """
    found = set(LaunchRecord(folder).alive()) - _around()
    owners = _lock_owners(folder)
    for process, words in _processes():
        if _is_snakemake(words) and not _is_spawned(words) and _runs_in(process, folder, owners):
            found.add(process.pid)
    return sorted(found)


def stage_processes(folder: Path) -> list[psutil.Process]:
    """Programs of stages in the folder, on this machine, with their shells and children.

    Raises:
        RunningError: if one is recorded here and hidden by the system.
    """
    found = []
    record = LaunchRecord(folder, JOBS)
    for pid in set(record.alive()) - _around():
        try:
            found.append(psutil.Process(pid))
        except psutil.Error:
            if pid in record.alive():  # the system hides it
                raise RunningError(_foreign(pid)) from None
    found += [
        process
        for process, words in _processes()
        if _is_job(words, folder) and _runs_in(process, folder)
    ]
    children = [child for process in found for child in _children(process)]
    return list(dict.fromkeys([*found, *children]))


def end_processes(processes: Sequence[psutil.Process], grace_s: float) -> int:
    """End processes by SIGTERM, so that a training saves its state, then by SIGKILL.

    Args:
        processes: The processes.
        grace_s: Time between the two signals [s].

    Returns:
        Number of processes that had to be killed.

    Raises:
        RunningError: if a process belongs to another user.
    """
    for process in processes:
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            raise RunningError(_foreign(process.pid)) from None
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


def _around() -> set[int]:
    """Ids of this process and its ancestors."""
    this = psutil.Process()
    return {this.pid, *(parent.pid for parent in this.parents())}


def _processes() -> Iterator[tuple[psutil.Process, list[str]]]:
    """All processes with a readable command line, except this one and its ancestors."""
    around = _around()
    for process in psutil.process_iter():
        if process.pid in around:
            continue
        try:
            if words := process.cmdline():  # empty for a zombie
                yield process, words
        except (psutil.Error, OSError):
            continue  # it has just ended; one that counts has a record


def _runs_in(
    process: psutil.Process, folder: Path, unreadable: frozenset[int] = frozenset()
) -> bool:
    """True if a process runs in the folder.

    Args:
        process: The process.
        folder: The working directory of the workflow.
        unreadable: Ids of the users whose processes count if their folder cannot be read.
    """
    try:
        return Path(process.cwd()) == folder
    except psutil.AccessDenied:
        pass
    except (psutil.Error, OSError):
        return False  # it has just ended
    try:
        return process.uids().effective in unreadable
    except (psutil.Error, OSError):
        return False


def _lock_owners(folder: Path) -> frozenset[int]:
    """Ids of the users whose Snakemake has locked something in the folder."""
    owners = set()
    for path in (folder / _LOCKS).glob("*.lock"):
        with contextlib.suppress(OSError):
            owners.add(path.lstat().st_uid)
    return frozenset(owners)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _foreign(pid: int) -> str:
    return (
        f"process {pid}: runs a job of this folder and belongs to another user; ask them to end "
        "it, then call again"
    )


def _is_job(words: list[str], folder: Path) -> bool:
    """True if it is a program of a stage, its shell, or a Snakemake that runs one job."""
    if _is_snakemake(words):
        return _is_spawned(words)
    if Path(words[0]).name in _SHELLS:
        return len(words) > 2 and words[1] == "-c" and words[2].startswith(SHELL_PREFIX)
    program = _program(words)
    if not program or not _STAGE.fullmatch(program[0]):
        return False
    project = (folder / program[0]).resolve().parents[2]
    return (project / "src" / "hybrid_pde").is_dir()


def _is_snakemake(words: list[str]) -> bool:
    """True if it is ``snakemake …``, ``python …/snakemake …`` or ``python -u -m snakemake …``."""
    if Path(words[0]).name == "snakemake":
        return True
    program = _program(words)
    if program[:1] == ["-m"]:
        return program[1:2] == ["snakemake"]
    return bool(program) and Path(program[0]).name == "snakemake"


def _program(words: list[str]) -> list[str]:
    """Program of a Python interpreter, a file or ``-m`` and a module, and its arguments.

    Empty for other programs, and for code given with ``-c``.
    """
    if not _PYTHON.fullmatch(Path(words[0]).name):
        return []
    place = 1
    while place < len(words):
        word = words[place]
        if not word.startswith("-") or word == "-":
            return words[place:]
        if word.startswith("--"):
            place += 1 + (word in _WITH_VALUE)
        elif "c" in word and not word.startswith(("-W", "-X")):
            return []
        elif "m" in word and not word.startswith(("-W", "-X")):  # as in -um snakemake, -msnakemake
            attached = word.partition("m")[2]
            return ["-m", *([attached] if attached else []), *words[place + 1 :]]
        else:
            place += 1 + (word in _WITH_VALUE)
    return []


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
