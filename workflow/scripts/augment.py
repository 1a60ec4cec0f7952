"""Generates simulations with the calibrated physical model from new initial states.

Simulations of an earlier run with the same settings, parameters and code are kept. One that
diverges is left out and named in the log.
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
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument("--parameters", type=Path, required=True, help="calibrated parameters")
    options.add_argument("--output", type=Path, required=True, help="manifest, beside the files")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Generate the shard and write its manifest."""
    from hybrid_pde.stages.augment import augment_shard

    augment_shard(
        arguments.settings,
        arguments.shard,
        arguments.cache,
        arguments.parameters,
        arguments.output,
        code=arguments.code,
        threads=arguments.threads,
        compile=arguments.compile,
    )


if __name__ == "__main__":
    run_stage(main, parser())
