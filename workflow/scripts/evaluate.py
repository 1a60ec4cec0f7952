"""Rolls out both models on held-out simulations and measures their errors beside persistence.

Writes ``metrics.json``, ``timing.json``, ``rollouts.nc``, the error over the lead time, what the
predictions keep (correlation, spectra, conserved quantities, long rollouts), a picture of truth,
prediction and error, and an animation. Several models are surrogates of different seeds.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # finds the repository without an installation
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import workflow.scripts  # noqa: F401

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.stages.evaluate import evaluate_models
from hybrid_pde.workflow.stage_program import limit_threads, run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument(
        "--model", type=Path, nargs="*", default=[], help="synthetic_model.pt of each replicate"
    )
    options.add_argument("--parameters", type=Path, nargs="*", default=[], help="parameters.yaml")
    options.add_argument("--output", type=Path, required=True, help="folder to write to")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Evaluate the models that there are."""
    limit_threads(arguments.threads)
    experiment = parse_experiment(arguments.settings)
    store = SimulationStore(arguments.cache[0].parent)
    parameters = arguments.parameters[0] if arguments.parameters else None
    evaluate_models(experiment, store, arguments.model or None, parameters, arguments.output)


if __name__ == "__main__":
    run_stage(main, parser())
