"""``hybrid-pde check``: all errors of an experiment, or what it will compute."""

from typing import Annotated

import typer

Name = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="A name in config/, or the path of a YAML file.")
]


def command(experiment: Name) -> None:
    """Show all errors of an experiment, or its work, time and disk.

    Nothing is computed. Raw files are opened, and the values of few are read.
    """
    from hybrid_pde.command_line.checking.all_errors import errors_of
    from hybrid_pde.command_line.checking.summary import summary_of
    from hybrid_pde.command_line.run_commands import run_command
    from hybrid_pde.config.loading import find_experiment
    from hybrid_pde.errors import ConfigError
    from hybrid_pde.workflow.plan import Plan

    path = find_experiment(experiment)
    if lines := errors_of(path):
        count = "one error" if len(lines) == 1 else f"{len(lines)} errors"
        raise ConfigError("\n".join([f"{path}: {count}", *lines]))
    plan = Plan(path, claim=False)
    print(summary_of(plan, run_command(path, plan.name)))
