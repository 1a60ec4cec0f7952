"""Trains the synthetic model on real windows, and on generated ones where there are any.

Writes ``synthetic_model.pt``, which needs nothing else to be loaded, and ``history.csv`` (one row
an epoch). A training that was interrupted goes on from its last checkpoint; that of a later hybrid
cycle starts with the model of the cycle before.
"""

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # finds the repository without an installation
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import workflow.scripts  # noqa: F401

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.config.derived import num_cycles
from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.scratch_copies import on_scratch
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.stages.train_synthetic import SurrogateFiles, SurrogateTraining
from hybrid_pde.training.augmentation.augmentation import refuse_many_left_out
from hybrid_pde.workflow.manifests import digests_of, simulations_of
from hybrid_pde.workflow.runs import Run
from hybrid_pde.workflow.stage_program import limit_threads, run_stage, stage_parser

if TYPE_CHECKING:
    from hybrid_pde.models.physical.physical_model import PhysicalModel


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--code", required=True, help="digest of the code, part of checkpoints")
    options.add_argument(
        "--run", type=Run.parse, default="experiment", help="e.g. burgers/cycle_02"
    )
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument("--augmented", type=Path, nargs="*", default=[], help="manifests")
    options.add_argument("--parameters", type=Path, nargs="*", default=[], help="parameters.yaml")
    options.add_argument("--warm-start", type=Path, nargs="*", default=[], help="an earlier model")
    options.add_argument("--model", type=Path, required=True, help="file to write")
    options.add_argument("--history", type=Path, required=True, help="CSV file to write")
    options.add_argument("--checkpoints", type=Path, required=True, help="folder of checkpoints")
    options.add_argument("--checkpoint-every-s", type=float, default=60.0)
    options.add_argument("--scratch", default="", help="folder that simulations are copied to")
    options.add_argument("--tensorboard", type=int, default=0, help="1 writes scalars")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Train, or go on training."""
    threads = limit_threads(arguments.threads)
    experiment = parse_experiment(arguments.settings)
    made = simulations_of(arguments.augmented)
    if arguments.augmented:
        refuse_many_left_out(experiment, made)
    used = experiment.trainer_params.synthetic
    identity = {
        "settings": arguments.settings,
        "code": arguments.code,
        "threads": threads,
        "parameters": [sha256_of(path) for path in arguments.parameters],
        "cache": digests_of(arguments.cache, [*used.train_sim, *used.val_sim]),
        "augmented": digests_of(arguments.augmented, made),
    }
    files = SurrogateFiles(
        arguments.model,
        arguments.history,
        arguments.checkpoints,
        arguments.checkpoint_every_s,
        arguments.history.parents[1] / "tensorboard" if arguments.tensorboard else None,
    )
    scratch = Path(arguments.scratch) if arguments.scratch else None
    stored = SimulationStore(arguments.cache[0].parent)
    with (
        on_scratch(stored, {*used.train_sim, *used.val_sim}, scratch) as real,
        _generated(arguments.augmented, made, scratch) as generated,
    ):
        SurrogateTraining(
            experiment,
            real,
            generated,
            made,
            physical=_calibrated(experiment, arguments.parameters),
            warm_start=arguments.warm_start[0] if arguments.warm_start else None,
            cycle=(arguments.run.cycle, num_cycles(experiment)),
        ).run(files, identity)


def _generated(
    manifests: list[Path], made: list[int], scratch: Path | None
) -> AbstractContextManager[CacheManager | None]:
    """The generated simulations, if there are any."""
    if not manifests:
        return nullcontext()
    return on_scratch(CacheManager(manifests[0].parent), made, scratch)


def _calibrated(experiment: Experiment, parameters: list[Path]) -> "PhysicalModel | None":
    """The physical model, where the training needs it; PhiFlow takes its time to be imported."""
    if not parameters:
        return None
    from hybrid_pde.factories.model_factory import ModelFactory
    from hybrid_pde.training.physical.parameters_file import load_parameters

    physical = ModelFactory.create_physical_model(experiment)
    load_parameters(parameters[0], physical)
    return physical


if __name__ == "__main__":
    run_stage(main, parser())
