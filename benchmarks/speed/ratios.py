"""Ratios of run times that are measured in turn, so that other load affects both."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

# Seconds that one run took.
Timed = Callable[[], float]


@dataclass(frozen=True)
class Ratio:
    """Time of another program divided by that of this library.

    Attributes:
        what: What was run.
        against: What it was compared with.
        ratio: Median over the rounds of its time divided by ours.
        low: Lower quartile of that.
        high: Upper quartile.
        ours: Median of our times [s].
        theirs: Median of its times [s].
        rounds: Number of rounds.
        least: What was aimed at; ``None`` if nothing was.
        note: A difference between the two runs, if there is one.
    """

    what: str
    against: str
    ratio: float
    low: float
    high: float
    ours: float
    theirs: float
    rounds: int
    least: float | None = None
    note: str = ""

    @property
    def is_reached(self) -> bool:
        """True unless the ratio is below what was aimed at."""
        return self.least is None or self.ratio >= self.least

    def to_json(self) -> dict[str, Any]:
        """The attributes, as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Pair:
    """Two things to time.

    Attributes:
        what: What is run.
        against: What it is compared with.
        ours: One run of ours.
        theirs: One run of the other.
        least: The ratio that is aimed at.
        rounds: Number of rounds after the warm-up.
        note: A difference between the two runs, if there is one.
    """

    what: str
    against: str
    ours: Timed
    theirs: Timed
    least: float | None = None
    rounds: int = 9
    note: str = ""

    def measure(self) -> Ratio:
        """Time both in turn, after a run of each that warms up."""
        self.ours()
        self.theirs()
        times = [(self.ours(), self.theirs()) for _ in range(self.rounds)]
        ratios = [theirs / ours for ours, theirs in times]
        low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        return Ratio(
            self.what,
            self.against,
            median(ratios),
            low,
            high,
            median(ours for ours, _ in times),
            median(theirs for _, theirs in times),
            self.rounds,
            self.least,
            self.note,
        )


def timed(call: Callable[[], Any], repeat: int = 1) -> Timed:
    """The time of a call, averaged over ``repeat`` calls."""

    def run() -> float:
        begin = time.perf_counter()
        for _ in range(repeat):
            call()
        return (time.perf_counter() - begin) / repeat

    return run
