"""Estimates the parameters that each simulation has of its own, for a shard of simulations.

Held-out simulations are calibrated on their first ``context_frames``. An estimate of an earlier
run with the same settings, data and code is kept. A simulation that cannot be calibrated is named
in the log, and the others are calibrated all the same.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # finds the repository without an installation
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import workflow.scripts  # noqa: F401

from hybrid_pde.workflow.shards import parse_shard
from hybrid_pde.workflow.stage_program import run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--code", default="", help="digest of the code, part of the provenance")
    options.add_argument("--shard", type=parse_shard, required=True, help="e.g. 000000-000049")
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument("--output", type=Path, required=True, help="manifest, beside the files")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Calibrate the shard and write its manifest."""
    from hybrid_pde.stages.calibrate import calibrate_shard

    calibrate_shard(
        arguments.settings,
        arguments.shard,
        arguments.cache,
        arguments.output,
        code=arguments.code,
        threads=arguments.threads,
    )


if __name__ == "__main__":
    run_stage(main, parser())
