"""Interrupts the pipeline again and again, and prints what came of it.

    python -m tests.resilience --kill 100 --full-disk 20 --workers 2 --directory ../interrupted

A campaign that is called again in the same directory makes the runs that are missing.
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
    """A kind of interruption, and what it needs.

    Attributes:
        name: What it is called here and in the table.
        fault: What is done.
        told: What its option says.
        place: Prepares the folder of a run.
        reason_for_none: Why there can be none here, if there cannot.
        on_slurm: Whether stages are jobs of Slurm.
        in_cycles: Whether its option gives the number of cycles of one run.
    """

    name: str
    fault: Fault
    told: str
    place: Place = nullcontext
    reason_for_none: Callable[[], str | None] = _no_reason
    on_slurm: bool = False
    in_cycles: bool = False


KINDS = (
    Kind("kill", faults.killed, "runs of which all processes are killed"),
    Kind("orphan", faults.orphaned, "runs of which Snakemake alone is killed"),
    Kind("signal", faults.asked_to_end, "runs ended by SIGTERM or SIGINT"),
    Kind(
        *("full-disk", faults.disk_full, "runs whose disk gets full (as root)"),
        place=small_disk.small_disk,
        reason_for_none=small_disk.reason_for_none,
    ),
    Kind(
        *("cancelled-job", cancellations.cancelled, "runs of which a Slurm job is cancelled"),
        reason_for_none=cancellations.reason_for_none,
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
        options.add_argument(f"--{kind.name}", type=int, default=0, metavar="N", help=kind.told)
    options.add_argument("--workers", type=int, default=1, help="runs at the same time")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--directory", type=Path, required=True, help="takes runs and outcomes")
    return options


def main(arguments: argparse.Namespace) -> bool:
    """Make all campaigns that are asked for, and print their table; whether all is well."""
    figures = []
    for campaign, runs in campaigns(arguments):
        outcomes = campaign.run(runs, min(runs, arguments.workers))
        figures.append(Figures(campaign.name, outcomes, campaign.reference()))
    print(table(figures))
    return all(outcome.is_good for each in figures for outcome in each.outcomes)


def campaigns(arguments: argparse.Namespace) -> Iterator[tuple[Campaign, int]]:
    """Those that are asked for and can be made here, with their numbers of runs."""
    root = arguments.directory.resolve()
    for kind in KINDS:
        count = getattr(arguments, kind.name.replace("-", "_"))
        if not count:
            continue
        if reason := kind.reason_for_none():
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
