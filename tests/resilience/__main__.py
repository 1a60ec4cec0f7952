"""Interrupts the pipeline again and again, and prints what came of it.

    python -m tests.resilience --kills 100 --full-disks 20 --workers 2 --directory /tmp/resilience

A campaign that is called again in the same directory makes the trials that are missing.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from tests.resilience import faults
from tests.resilience.campaign import Campaign
from tests.resilience.experiment import interrupted_experiment
from tests.resilience.project import Project
from tests.resilience.small_disk import reason_for_none, small_disk
from tests.resilience.table import Figures, table


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--kills", type=int, default=0, help="runs killed with SIGKILL")
    options.add_argument("--full-disks", type=int, default=0, help="runs whose disk is full (root)")
    options.add_argument("--cycles", type=int, default=0, help="hybrid cycles, killed in each")
    options.add_argument("--workers", type=int, default=1, help="runs at the same time")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--directory", type=Path, required=True, help="takes runs and outcomes")
    return options


def main(arguments: argparse.Namespace) -> bool:
    """Make all campaigns that are asked for, and print their table; whether all is well."""
    root = arguments.directory.resolve()
    project = Project(root / "project")
    campaigns: list[tuple[Campaign, int]] = []

    def add(name: str, fault: faults.Fault, trials: int, **settings: object) -> None:
        made = Campaign(
            name, fault, project=project, directory=root / name, seed=arguments.seed,
            **{"experiment": interrupted_experiment(), **settings},
        )
        campaigns.append((made, trials))

    if arguments.kills:
        add("kill", faults.killed, arguments.kills)
    if arguments.full_disks:
        if reason := reason_for_none():
            print(f"full disks are left out: {reason}")
        else:
            add("full_disk", faults.disk_full, arguments.full_disks, place=small_disk)
    if arguments.cycles:
        experiment = interrupted_experiment(cycles=arguments.cycles, epochs=10)
        add("cycles", faults.killed_in_each_cycle, 1, experiment=experiment)
    figures = []
    for campaign, trials in campaigns:
        outcomes = campaign.run(trials, min(trials, arguments.workers))
        figures.append(Figures(campaign.name, outcomes, campaign.kept_reference()))
    print(table(figures))
    return all(outcome.is_good for each in figures for outcome in each.outcomes)


if __name__ == "__main__":
    raise SystemExit(0 if main(parser().parse_args()) else 1)
