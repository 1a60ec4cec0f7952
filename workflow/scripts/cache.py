"""Turns raw files into the cache: one safetensors file a simulation, memory-mapped in training.

A cached simulation that is up to date is kept. A simulation that cannot be cached is reported after
all others of the shard have been cached.
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
    options.add_argument("--shard", type=parse_shard, required=True, help="e.g. 000000-000049")
    options.add_argument(
        "--raw", type=Path, nargs="+", required=True, help="files in the raw folder"
    )
    options.add_argument(
        "--first-sample", type=int, default=0, help="place of the first simulation in its file"
    )
    options.add_argument("--output", type=Path, required=True, help="manifest, beside the cache")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Cache the shard and write its manifest."""
    from hybrid_pde.stages.cache import cache_shard

    cache_shard(
        arguments.settings,
        arguments.shard,
        arguments.raw,
        arguments.output,
        arguments.first_sample,
    )


if __name__ == "__main__":
    run_stage(main, parser())
