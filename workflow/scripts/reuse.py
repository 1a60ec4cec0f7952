"""Takes over the calibration of another experiment, which ``reuse`` names."""

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
    options.add_argument("--parameters", type=Path, required=True, help="the other's parameters")
    options.add_argument("--output", type=Path, required=True, help="the experiment's parameters")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Copy the calibration's results."""
    from hybrid_pde.stages.reuse import take_over_calibration

    take_over_calibration(arguments.parameters.parent, arguments.output.parent)


if __name__ == "__main__":
    run_stage(main, parser())
