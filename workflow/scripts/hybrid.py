"""Copies the last hybrid cycle's results, and joins the histories of all cycles.

The results of each cycle stay in its folder.
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
    options.add_argument("--cycles", type=Path, nargs="+", required=True, help="their folders")
    options.add_argument("--output", type=Path, required=True, help="the experiment's folder")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Copy the last cycle's results."""
    from hybrid_pde.stages.hybrid import collect_cycles

    collect_cycles(arguments.cycles, arguments.output)


if __name__ == "__main__":
    run_stage(main, parser())
