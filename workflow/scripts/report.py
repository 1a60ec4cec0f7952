"""Writes the experiment's report, one self-contained HTML page, and ``experiment.yaml``.

The file has every key of the experiment that has a value, and repeats the run.
"""

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
    options.add_argument("--experiment", type=Path, required=True, help="experiment file to write")
    options.add_argument("--compile", default="auto", help="whether time steps were compiled")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Write the report of the results in the folder, and their experiment."""
    from hybrid_pde.stages.report import write_experiment_report

    write_experiment_report(
        arguments.settings,
        arguments.results,
        arguments.output,
        arguments.experiment,
        compile=arguments.compile,
    )


if __name__ == "__main__":
    run_stage(main, parser())
