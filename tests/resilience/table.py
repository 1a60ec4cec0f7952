"""The figures of campaigns as a table in Markdown."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.resilience.outcomes import Outcome, Reference


@dataclass(frozen=True)
class Figures:
    """What a campaign has shown.

    Args:
        name: The fault.
        outcomes: All interrupted runs.
        reference: The uninterrupted one.
    """

    name: str
    outcomes: Sequence[Outcome]
    reference: Reference

    def row(self) -> list[str]:
        """The cells of its row."""
        runs = len(self.outcomes)
        ended = sum(outcome.code == 0 for outcome in self.outcomes)
        equal = sum(not outcome.differing for outcome in self.outcomes)
        strikes = sum(len(outcome.struck) for outcome in self.outcomes)
        return [
            self.name,
            f"{runs}",
            f"{strikes}",
            f"{ended}",
            f"{equal}",
            self._share("epochs"),
            self._share("simulations"),
            f"{sum(len(outcome.litter) for outcome in self.outcomes)}",
            f"{sum(outcome.alive for outcome in self.outcomes)}",
            f"{sum(outcome.tracebacks for outcome in self.outcomes)}",
        ]

    def stages(self) -> str:
        """How often each stage was struck."""
        counts = Counter(stage for outcome in self.outcomes for stage in outcome.struck)
        return ", ".join(f"{stage} {count}" for stage, count in counts.most_common())

    def _share(self, unit: str) -> str:
        """Share of units done twice, and of those begun twice, wholly or in part."""
        needed = getattr(self.reference, unit) * len(self.outcomes)
        twice = sum(getattr(outcome, f"{unit}_twice") for outcome in self.outcomes)
        begun = sum(getattr(outcome, f"{unit}_begun") for outcome in self.outcomes)
        return f"{100 * twice / needed:.1f} % ({100 * begun / needed:.1f} %)" if needed else "-"


COLUMNS = (
    "fault",
    "runs",
    "faults",
    "ended",
    "same digests",
    "epochs twice (begun)",
    "simulations twice (begun)",
    "files left over",
    "processes left",
    "tracebacks",
)


def table(campaigns: Sequence[Figures]) -> str:
    """A row a campaign, and below where the faults fell."""
    rows = [list(COLUMNS), ["---"] * len(COLUMNS), *(each.row() for each in campaigns)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    told = [f"{each.name}: {each.stages()}" for each in campaigns]
    return "\n".join([*lines, "", *told])
