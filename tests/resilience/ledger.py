"""Totals of the work that the counting hook recorded in one run and its resumptions."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.resilience.experiment import GROUP

STAGES = ("simulate", "cache", "augment")


@dataclass(frozen=True)
class Work:
    """Units of work of one kind, over all attempts.

    Attributes:
        begun: Number of units begun, finished or not.
        ended: Number of units finished.
    """

    begun: int
    ended: int


def epochs(ledger: Path) -> Work:
    """Epochs of all trainings; an epoch resumed in its middle counts as begun again."""
    counts = _counts(ledger)
    return Work(counts["training begun"], counts["training ended"])


def simulations(ledger: Path) -> Work:
    """Simulations that were computed, cached or generated.

    A simulation has ended when its file has its name. A group begins together; caching is so short
    that it counts as begun when it ends.
    """
    counts = _counts(ledger)
    ended = {stage: counts[f"simulation ended by {stage}"] for stage in STAGES}
    return Work(GROUP * counts["simulating begun"] + ended["cache"], sum(ended.values()))


def _counts(ledger: Path) -> Counter[str]:
    """Number of times each kind of work was begun and ended; empty if no stage has run."""
    counts: Counter[str] = Counter()
    lines = ledger.read_text(encoding="utf-8").splitlines() if ledger.exists() else []
    for line in lines:
        note = json.loads(line)
        counts[f"{note['kind']} {note['event']}"] += 1
        counts[f"{note['kind']} {note['event']} by {note['stage']}"] += 1
    return counts
