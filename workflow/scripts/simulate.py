"""Simulates raw files: one NetCDF file a simulation, as a scientist's own solver would write it.

Simulations that are there already with the same settings are kept. A file that the workflow did not
write is never overwritten.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # finds the repository without an installation
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import workflow.scripts  # noqa: F401

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.atomic import write_json
from hybrid_pde.stages.simulate import RawSimulations
from hybrid_pde.workflow.shards import parse_shard
from hybrid_pde.workflow.stage_program import limit_threads, run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--code", default="", help="digest of the code, part of the provenance")
    options.add_argument("--shard", type=parse_shard, required=True, help="e.g. 000000-000049")
    options.add_argument("--output", type=Path, required=True, help="manifest, beside the files")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Simulate the shard and write its manifest."""
    limit_threads(arguments.threads)
    experiment = parse_experiment(arguments.settings)
    simulations = RawSimulations(experiment, arguments.output.parent, arguments.code)
    write_json(arguments.output, simulations.make(arguments.shard))


if __name__ == "__main__":
    run_stage(main, parser())
