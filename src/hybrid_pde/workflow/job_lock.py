"""A job is done by one process at a time, even if a killed Snakemake has left one that lives on."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from hybrid_pde.data.atomic import remove_abandoned_files
from hybrid_pde.errors import RunningError

# what a job that has been asked to end may take to save its state
WAIT_S = 10.0


def is_first_process() -> bool:
    """Whether this is the one of several processes of a job that writes."""
    return os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"


@contextlib.contextmanager
def alone(log: Path | None) -> Iterator[None]:
    """Hold the lock of a job, which is known by its log.

    A job's files are written atomically and from its settings alone; but an orphan with other
    settings than those of today would replace what has just been made, under a manifest that says
    otherwise. The lock goes with its process, however that ends.

    Raises:
        RunningError: if another process does this job.
    """
    if log is None or not is_first_process():
        yield
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(log.with_name(f".{log.name}.lock")).acquire(timeout=WAIT_S)
    except Timeout:
        raise RunningError(
            f"{log}: another process does this job still; `make resume` ends it and goes on"
        ) from None
    with held:
        remove_abandoned_files(log.parent.parent)  # the folder that a job's logs and results lie in
        yield
