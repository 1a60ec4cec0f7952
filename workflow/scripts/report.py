"""Writes the experiment's report: one self-contained HTML page."""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # finds the repository without an installation
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import workflow.scripts  # noqa: F401

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
