"""Trains the synthetic model on real windows, and on generated ones where there are any.

Writes ``synthetic_model.pt``, which needs nothing else to be loaded, and ``history.csv`` (one row
an epoch). A training that was interrupted goes on from its last checkpoint.
"""

import argparse
from pathlib import Path

from src.config import parse_experiment
from src.data.cache_manager import CacheManager
from src.data.simulation_store import SimulationStore
from src.factories.surrogate_training import SurrogateFiles, SurrogateTraining
from workflow.manifests import digests_of, simulations_of
from workflow.stage import limit_threads, run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--code", required=True, help="digest of the code, part of checkpoints")
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument("--augmented", type=Path, nargs="*", default=[], help="manifests")
    options.add_argument("--model", type=Path, required=True, help="file to write")
    options.add_argument("--history", type=Path, required=True, help="CSV file to write")
    options.add_argument("--checkpoints", type=Path, required=True, help="folder of checkpoints")
    options.add_argument("--checkpoint-every-s", type=float, default=60.0)
    return options


def main(arguments: argparse.Namespace) -> None:
    """Train, or go on training."""
    threads = limit_threads(arguments.threads)
    experiment = parse_experiment(arguments.settings)
    real = SimulationStore(arguments.cache[0].parent)
    generated = CacheManager(arguments.augmented[0].parent) if arguments.augmented else None
    made = simulations_of(arguments.augmented)
    used = experiment.trainer_params.synthetic
    identity = {
        "settings": arguments.settings,
        "code": arguments.code,
        "threads": threads,
        "cache": digests_of(arguments.cache, [*used.train_sim, *used.val_sim]),
        "augmented": digests_of(arguments.augmented, made),
    }
    files = SurrogateFiles(
        arguments.model, arguments.history, arguments.checkpoints, arguments.checkpoint_every_s
    )
    SurrogateTraining(experiment, real, generated, made).run(files, identity)


if __name__ == "__main__":
    run_stage(main, parser())
