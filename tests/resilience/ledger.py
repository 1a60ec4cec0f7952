"""What the counting hook has noted of one run and its resumptions."""

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
        begun: How many were begun, wholly or in part.
        ended: How many were brought to their end.
    """

    begun: int
    ended: int


def epochs(ledger: Path) -> Work:
    """Epochs of all trainings; one that is gone on with in its middle counts as begun again."""
    counts = _counts(ledger)
    return Work(counts["training begun"], counts["training ended"])


def simulations(ledger: Path) -> Work:
    """Simulations that were simulated, cached or generated.

    One has ended when its file has its name. Those of a group begin together; one is cached in a
    moment, so it begins when it ends.
    """
    counts = _counts(ledger)
    ended = {stage: counts[f"simulation ended by {stage}"] for stage in STAGES}
    return Work(GROUP * counts["simulating begun"] + ended["cache"], sum(ended.values()))


def _counts(ledger: Path) -> Counter[str]:
    """How often each kind of work was begun and ended; nothing where no stage has run."""
    counts: Counter[str] = Counter()
    lines = ledger.read_text(encoding="utf-8").splitlines() if ledger.exists() else []
    for line in lines:
        note = json.loads(line)
        counts[f"{note['kind']} {note['event']}"] += 1
        counts[f"{note['kind']} {note['event']} by {note['stage']}"] += 1
    return counts
