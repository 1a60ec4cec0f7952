"""Lock of a job, so that it never runs twice, even if a killed Snakemake left it running."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from hybrid_pde.data.atomic import disk_reason, remove_abandoned_files
from hybrid_pde.errors import RunningError, StorageError
from hybrid_pde.workflow.launch_record import JOBS, LaunchRecord

# time that a job may take to save its state after SIGTERM
WAIT_S = 10.0


def is_first_process() -> bool:
    """True if this process is the one of its job that writes files."""
    return os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"


@contextlib.contextmanager
def job_lock(log: Path | None) -> Iterator[None]:
    """Hold the lock of a job; a lock file beside the job's log stands for the job.

    An orphan with outdated settings would replace files that have just been written, and the
    manifest would no longer match them. The operating system releases the lock when the process
    ends, however it ends. Only the first process of a job holds it. Every process of a job is
    recorded while it runs, so that `make resume` finds it.

    Args:
        log: The job's log; without one nothing is locked.

    Raises:
        RunningError: if another process runs this job.
    """
    record = LaunchRecord(Path.cwd(), JOBS)
    record.begin()
    try:
        with _held(log):
            yield
    finally:
        record.end()


def is_running(log: Path) -> bool:
    """True if a process holds the lock of the job with this log."""
    lock = _lock_of(log)
    if not Path(lock.lock_file).exists():
        return False
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def still_running(log: Path) -> str:
    """Message on a job that another process runs."""
    return f"{log}: another process is still running this job; `make resume` ends it and continues"


def _lock_of(log: Path) -> FileLock:
    return FileLock(log.with_name(f".{log.name}.lock"))


@contextlib.contextmanager
def _held(log: Path | None) -> Iterator[None]:
    if log is None or not is_first_process():
        yield
        return
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        held = _lock_of(log).acquire(timeout=WAIT_S)
    except Timeout:
        raise RunningError(still_running(log)) from None
    except OSError as error:
        reason = disk_reason(error) or error.strerror or str(error)
        raise StorageError(f"{log}: cannot be locked: {reason}") from error
    with held:
        remove_abandoned_files(log.parent.parent)  # the folder that a job's logs and results lie in
        yield
