"""Turns raw files into the cache: one safetensors file a simulation, memory-mapped in training.

A cached simulation that is up to date is kept. One that cannot be cached is named, after all others
of the shard have been.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # finds the repository without an installation
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import workflow.scripts  # noqa: F401

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.workflow.shards import parse_shard
from hybrid_pde.workflow.stage_program import run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--shard", type=parse_shard, required=True, help="e.g. 000000-000049")
    options.add_argument(
        "--raw", type=Path, nargs="+", required=True, help="files in the raw folder"
    )
    options.add_argument("--output", type=Path, required=True, help="manifest, beside the cache")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Cache the shard and write its manifest."""
    raw_dir = arguments.raw[0].parent
    settings = arguments.settings
    settings["data"]["dset_name"] = raw_dir.name
    manager = DataManager(raw_dir, arguments.output.parent, parse_experiment(settings))
    manager.write_manifest(arguments.shard, arguments.output)


if __name__ == "__main__":
    run_stage(main, parser())
