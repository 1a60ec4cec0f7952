"""Faults that interrupt a run: kills, signals and a full disk.

Each fault starts the run, strikes at random moments and resumes it as a user would. It returns
the stage of each interruption and the last exit code, or ``None`` if the run ended before the
first one; the run is then repeated from scratch with another moment.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.resilience.attempt import Attempt
from tests.resilience.experiment import NAME
from tests.resilience.outcomes import Reference

Struck = tuple[list[str], int]
Fault = Callable[[Attempt, Reference, Random], Struck | None]
AGAIN = 0.2  # fraction of resumed runs that are killed again
POLL_S = 0.02
FILL_BLOCK = 1 << 20


def killed(attempt: Attempt, reference: Reference, random: Random) -> Struck | None:
    """Kill the run at a uniformly random moment, and some runs again after that."""
    struck: list[str] = []
    attempt.start()
    left = reference.seconds
    while (code := attempt.wait(random.uniform(0, left))) is None:
        struck.append(attempt.kill())
        if random.random() >= AGAIN:
            return struck, attempt.resume()
        if freed := attempt.free():
            return struck, freed
        attempt.start()
    return (struck, code) if struck else None


def orphaned(attempt: Attempt, reference: Reference, random: Random) -> Struck | None:
    """Kill only Snakemake; its jobs keep running until the run is resumed."""
    attempt.start()
    if attempt.wait(random.uniform(0, reference.seconds)) is not None:
        return None
    return [attempt.orphan()], attempt.resume()


def signalled(attempt: Attempt, reference: Reference, random: Random) -> Struck | None:
    """Send SIGTERM or SIGINT to all processes, then make the same call again."""
    attempt.start()
    if attempt.wait(random.uniform(0, reference.seconds)) is not None:
        return None
    number = random.choice((signal.SIGTERM, signal.SIGINT))
    stage = attempt.send(number)
    if attempt.wait_for_end() == 0:
        return None
    return [f"{stage} ({number.name})"], attempt.finish()


def killed_in_each_cycle(attempt: Attempt, reference: Reference, random: Random) -> Struck | None:
    """Kill the run once in every hybrid cycle."""
    cycles = len([name for name in reference.digests if name.endswith("/synthetic_model.pt")]) - 1
    struck: list[str] = []
    attempt.start()
    for number in range(1, cycles + 1):
        folder = attempt.folder / "results" / NAME / f"cycle_{number:02d}"
        if not _wait_for(folder.exists, attempt):
            return struck, attempt.finish()
        moment = time.monotonic() + random.uniform(0, reference.seconds / (cycles + 1))
        done = folder / "synthetic_model.pt"
        _wait_for(
            lambda moment=moment, done=done: time.monotonic() > moment or done.exists(), attempt
        )
        struck.append(f"cycle {number}: {attempt.kill()}")
        if freed := attempt.free():
            return struck, freed
        attempt.start()
    return struck, attempt.wait_for_end()


def disk_full(attempt: Attempt, reference: Reference, random: Random) -> Struck | None:
    """Fill the disk at a random moment until the run has failed."""
    attempt.start()
    if attempt.wait(random.uniform(0, reference.seconds)) is not None:
        return None
    stage = attempt.stage()
    filler = attempt.folder / "filler"
    fill(filler)
    failed = attempt.wait_for_end()
    filler.unlink()
    if failed == 0:
        return None  # the run had nothing more to write
    code = attempt.finish()  # as documented: the same call again
    return [stage], code


def fill(filler: Path) -> None:
    """Use up the free space on the disk of ``filler``."""
    with filler.open("wb", buffering=0) as file:
        block = FILL_BLOCK
        while block:
            try:
                if file.write(os.urandom(1) * block) < block:
                    block //= 2
            except OSError:
                block //= 2


def _wait_for(condition: Callable[[], bool], attempt: Attempt) -> bool:
    """Wait for the condition; returns whether it became true before the run ended."""
    while not condition():
        if attempt.wait(POLL_S) is not None:
            return condition()
    return True
