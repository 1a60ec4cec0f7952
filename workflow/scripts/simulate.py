"""Simulates raw files: one NetCDF file a simulation, as a scientist's own solver would write it.

Files of an earlier run with the same settings and code are kept. A file that the workflow did not
write is never overwritten.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # finds the repository without an installation
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import workflow.scripts  # noqa: F401

from hybrid_pde.workflow.shards import parse_shard
from hybrid_pde.workflow.stage_program import add_compile_option, run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    add_compile_option(options)
    options.add_argument("--code", default="", help="digest of the code, part of the provenance")
    options.add_argument("--shard", type=parse_shard, required=True, help="e.g. 000000-000049")
    options.add_argument("--output", type=Path, required=True, help="manifest, beside the files")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Simulate the shard and write its manifest."""
    from hybrid_pde.stages.simulate import simulate_shard

    simulate_shard(
        arguments.settings,
        arguments.shard,
        arguments.output,
        code=arguments.code,
        threads=arguments.threads,
        compile=arguments.compile,
    )


if __name__ == "__main__":
    run_stage(main, parser())
