"""Interrupts the pipeline many times and prints a table of the outcomes.

    python -m tests.resilience --kill 100 --full-disk 20 --workers 2 --directory ../interrupted

Called again with the same directory, it makes only the missing runs.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.resilience import cancellations, faults, small_disk
from tests.resilience.campaign import Campaign, Place
from tests.resilience.experiment import interrupted_experiment
from tests.resilience.faults import Fault
from tests.resilience.project import Project
from tests.resilience.table import Figures, table

EPOCHS_OF_A_CYCLE = 10


def _no_reason() -> None:
    return None


@dataclass(frozen=True)
class Kind:
    """A kind of interruption and its requirements.

    Attributes:
        name: Name of the option and of the row in the table.
        fault: Function that interrupts and resumes a run.
        help: Help text of the option.
        place: Prepares the folder of a run.
        unavailable_reason: Gives the reason if this machine does not allow the interruption.
        on_slurm: Whether stages are jobs of Slurm.
        in_cycles: Whether the option gives the number of cycles of a single run.
    """

    name: str
    fault: Fault
    help: str
    place: Place = nullcontext
    unavailable_reason: Callable[[], str | None] = _no_reason
    on_slurm: bool = False
    in_cycles: bool = False


KINDS = (
    Kind("kill", faults.killed, "runs with all processes killed"),
    Kind("orphan", faults.orphaned, "runs with only Snakemake killed"),
    Kind("signal", faults.signalled, "runs ended by SIGTERM or SIGINT"),
    Kind(
        *("full-disk", faults.disk_full, "runs on a disk that fills up (needs root)"),
        place=small_disk.small_disk,
        unavailable_reason=small_disk.unavailable_reason,
    ),
    Kind(
        *("cancelled-job", cancellations.cancelled, "runs with a cancelled Slurm job"),
        unavailable_reason=cancellations.unavailable_reason,
        on_slurm=True,
    ),
    Kind("cycles", faults.killed_in_each_cycle, "hybrid cycles, killed in each", in_cycles=True),
)


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for kind in KINDS:
        options.add_argument(f"--{kind.name}", type=int, default=0, metavar="N", help=kind.help)
    options.add_argument("--workers", type=int, default=1, help="number of runs in parallel")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument(
        "--directory", type=Path, required=True, help="folder for runs and outcomes"
    )
    return options


def main(arguments: argparse.Namespace) -> bool:
    """Make all requested campaigns and print their table; returns whether all outcomes are good."""
    figures = []
    for campaign, runs in campaigns(arguments):
        outcomes = campaign.run(runs, min(runs, arguments.workers))
        figures.append(Figures(campaign.name, outcomes, campaign.reference()))
    print(table(figures))
    return all(outcome.is_good for each in figures for outcome in each.outcomes)


def campaigns(arguments: argparse.Namespace) -> Iterator[tuple[Campaign, int]]:
    """The requested campaigns that are possible on this machine, with their numbers of runs."""
    root = arguments.directory.resolve()
    for kind in KINDS:
        count = getattr(arguments, kind.name.replace("-", "_"))
        if not count:
            continue
        if reason := kind.unavailable_reason():
            print(f"{kind.name} is left out: {reason}")
            continue
        experiment = interrupted_experiment()
        if kind.in_cycles:
            experiment = interrupted_experiment(cycles=count, epochs=EPOCHS_OF_A_CYCLE)
        campaign = Campaign(
            kind.name,
            kind.fault,
            experiment,
            Project(root / "project", kind.on_slurm),
            root / kind.name,
            kind.place,
            arguments.seed,
        )
        yield campaign, 1 if kind.in_cycles else count


if __name__ == "__main__":
    raise SystemExit(0 if main(parser().parse_args()) else 1)
