"""Cancellation of running Slurm jobs."""

import subprocess
from random import Random

from hybrid_pde.workflow.live_processes import cancel_slurm_jobs, slurm_jobs
from tests.resilience.attempt import Attempt
from tests.resilience.faults import POLL_S, Struck
from tests.resilience.outcomes import Reference
from tests.slurm.cluster import is_up

RETRIED = "Trying to restart job"
GRACE_S = 60.0


def unavailable_reason() -> str | None:
    """Why jobs cannot be cancelled on this machine; ``None`` if they can."""
    return None if is_up() else "no test cluster: `python tests/slurm/cluster.py start`"


def cancelled(attempt: Attempt, reference: Reference, random: Random) -> Struck | None:
    """Cancel a running job at a random moment; Snakemake's retry has to finish the run."""
    try:
        attempt.start()
        if attempt.wait(random.uniform(0, reference.seconds)) is not None:
            return None
        while not (jobs := running_jobs(attempt)):
            if attempt.wait(POLL_S) is not None:
                return None
        job = random.choice(jobs)
        stage = _asked("--jobs", job, "--format=%k")  # the comment, which contains the rule
        subprocess.run(["scancel", job], check=True)
        code = attempt.wait_for_end()
        # a job may end by itself before its cancellation arrives
        return ([*stage[:1]], code) if RETRIED in attempt.output else None
    finally:
        cancel_slurm_jobs(attempt.folder, GRACE_S)


def running_jobs(attempt: Attempt) -> list[str]:
    """Ids of the folder's running jobs."""
    running = _asked("--states=RUNNING", "--format=%i")
    return sorted({*running} & {*slurm_jobs(attempt.folder)})


def _asked(*options: str) -> list[str]:
    """The words of the answer of ``squeue``."""
    command = ("squeue", "--noheader", *options)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
