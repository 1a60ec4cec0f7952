"""Writes the experiment's report: one self-contained HTML page."""

import argparse
from pathlib import Path

from hybrid_pde.workflow.stage_program import run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--results", type=Path, required=True, help="the experiment's folder")
    options.add_argument("--output", type=Path, required=True, help="HTML file to write")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Write the report of the results in the folder."""
    from hybrid_pde.stages.report import write_experiment_report

    write_experiment_report(arguments.settings, arguments.results, arguments.output)


if __name__ == "__main__":
    run_stage(main, parser())
