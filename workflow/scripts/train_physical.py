"""Calibrates the physical model: estimates its learnable parameters from the training simulations.

Writes ``parameters.yaml`` (values with standard deviations, status, numerics) and ``history.csv``
(one row an iteration). A calibration that diverges writes nothing, unless
``suppress_convergence_errors`` asks for the best estimate so far. A calibration that was
interrupted goes on from what it had evaluated. In a later hybrid cycle it also
sees what the synthetic model predicts where nothing is seen.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # finds the repository without an installation
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import workflow.scripts  # noqa: F401

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.stages.train_physical import Guide, calibrate
from hybrid_pde.training.checkpoint_folder import CheckpointFolder
from hybrid_pde.workflow.manifests import digests_of
from hybrid_pde.workflow.stage_program import limit_threads, run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--code", required=True, help="digest of the code, part of checkpoints")
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument("--previous", type=Path, nargs="*", default=[], help="of the cycle before")
    options.add_argument("--guidance", type=Path, nargs="*", default=[], help="its predictions")
    options.add_argument("--parameters", type=Path, required=True, help="YAML file to write")
    options.add_argument("--history", type=Path, required=True, help="CSV file to write")
    options.add_argument("--checkpoints", type=Path, required=True, help="folder of checkpoints")
    options.add_argument("--checkpoint-every-s", type=float, default=60.0)
    return options


def main(arguments: argparse.Namespace) -> None:
    """Calibrate, or go on calibrating, on the training simulations."""
    threads = limit_threads(arguments.threads)
    experiment = parse_experiment(arguments.settings)
    store = SimulationStore(arguments.cache[0].parent)
    guide = None
    if arguments.guidance:
        guide = Guide(CacheManager(arguments.guidance[0].parent), arguments.previous[0])
    training = experiment.trainer_params.physical
    identity = {
        "settings": arguments.settings,
        "code": arguments.code,
        "threads": threads,
        "cache": digests_of(arguments.cache, [*training.train_sim, *training.val_sim]),
        "taught by": [sha256_of(path) for path in [*arguments.previous, *arguments.guidance]],
    }
    calibrate(
        experiment,
        store,
        arguments.parameters,
        arguments.history,
        guide=guide,
        checkpoints=CheckpointFolder(arguments.checkpoints, identity, arguments.checkpoint_every_s),
    )


if __name__ == "__main__":
    run_stage(main, parser())
