"""Predicts with the synthetic model what the data do not show, to teach the physical model.

Writes simulations in the format of the cache, and their manifest.
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
from hybrid_pde.stages.guide import predict_guidance
from hybrid_pde.workflow.stage_program import limit_threads, run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument("--model", type=Path, required=True, help="synthetic_model.pt")
    options.add_argument("--output", type=Path, required=True, help="manifest, beside the files")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Predict, and write the manifest."""
    limit_threads(arguments.threads)
    experiment = parse_experiment(arguments.settings)
    real = SimulationStore(arguments.cache[0].parent)
    store = CacheManager(arguments.output.parent)
    made = predict_guidance(experiment, real, arguments.model, store)
    write_json(arguments.output, store.manifest(made))


if __name__ == "__main__":
    run_stage(main, parser())
