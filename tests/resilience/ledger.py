"""What the counting hook has noted of one run and its resumptions."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.resilience.experiment import GROUP

# what a unit of work is, by the name that it has in the stage's progress, and how many it counts
EPOCHS = {"training": 1}
SIMULATIONS = {"simulating": GROUP, "caching": 1}


@dataclass(frozen=True)
class Work:
    """Units of work of one kind.

    Attributes:
        begun: How many were begun, over all attempts.
        ended: How many were brought to their end.
    """

    begun: int
    ended: int


def read_work(ledger: Path, kinds: dict[str, int]) -> Work:
    """Sum up the notes of some kinds of work; a run that never got to any has none."""
    counts: Counter[str] = Counter()
    if ledger.exists():
        for line in ledger.read_text(encoding="utf-8").splitlines():
            note = json.loads(line)
            counts[note["event"]] += kinds.get(note["kind"], 0)
    return Work(counts["begun"], counts["ended"])
