"""Figures of campaigns as a Markdown table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.resilience.outcomes import Outcome, Reference


@dataclass(frozen=True)
class Figures:
    """Results of a campaign.

    Args:
        name: Name of the fault.
        outcomes: All interrupted runs.
        reference: The uninterrupted one.
    """

    name: str
    outcomes: Sequence[Outcome]
    reference: Reference

    def row(self) -> list[str]:
        """Cells of the campaign's row."""
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
        """Number of interruptions of each stage."""
        counts = Counter(stage for outcome in self.outcomes for stage in outcome.struck)
        return ", ".join(f"{stage} {count}" for stage, count in counts.most_common())

    def _share(self, unit: str) -> str:
        """Share of units finished twice and, in brackets, begun twice."""
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
    """One row per campaign, followed by the stages that were interrupted."""
    rows = [list(COLUMNS), ["---"] * len(COLUMNS), *(each.row() for each in campaigns)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    stages = [f"{each.name}: {each.stages()}" for each in campaigns]
    return "\n".join([*lines, "", *stages])
