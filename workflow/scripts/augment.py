"""Generates simulations with the calibrated physical model from new initial states.

A simulation that is there already, made with the same settings and parameters, is kept. One that
diverges is left out and named.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # finds the repository without an installation
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import workflow.scripts  # noqa: F401

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.atomic import write_json
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.factories.model_factory import ModelFactory
from hybrid_pde.training.augmentation.augmentation import Augmentation
from hybrid_pde.training.physical.parameters_file import load_parameters, read_parameters
from hybrid_pde.workflow.shards import parse_shard
from hybrid_pde.workflow.stage_program import limit_threads, run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--code", default="", help="digest of the code, part of the provenance")
    options.add_argument("--shard", type=parse_shard, required=True, help="e.g. 000000-000049")
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument("--parameters", type=Path, required=True, help="calibrated parameters")
    options.add_argument("--output", type=Path, required=True, help="manifest, beside the files")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Generate the shard and write its manifest."""
    limit_threads(arguments.threads)
    experiment = parse_experiment(arguments.settings)
    model = ModelFactory.create_physical_model(experiment)
    load_parameters(arguments.parameters, model)
    real = SimulationStore(arguments.cache[0].parent)
    store = CacheManager(arguments.output.parent)
    calibrated = read_parameters(arguments.parameters)["parameters"]
    maker = Augmentation(experiment, model, real, store, arguments.code, calibrated)
    made = maker.make(arguments.shard)
    write_json(arguments.output, {**store.manifest(made), "bytes": store.disk_usage(made)})


if __name__ == "__main__":
    run_stage(main, parser())
