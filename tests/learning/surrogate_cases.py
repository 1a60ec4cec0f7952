"""A small surrogate training on cached simulations, for tests and as a program."""

import json
import sys
from pathlib import Path
from typing import Any

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.stages.simulate import RawSimulations
from hybrid_pde.stages.surrogate_training import SurrogateFiles, SurrogateTraining
from tests.workflow.tiny import tiny_experiment


def settings(**training: Any) -> dict[str, Any]:
    """The tiny experiment with a surrogate only; keyword arguments are training settings."""
    mapping = tiny_experiment()
    mapping["run_params"] = {"experiment_name": "small", "model_type": "synthetic", "seed": 1}
    mapping["trainer_params"] = {
        "train_sim": [0, 1],
        "val_sim": [2, 3],
        "num_predict_steps": 2,
        "synthetic": {"epochs": 4, "batch_size": 4, "learning_rate": 3e-3, **training},
    }
    return mapping


def simulated(root: Path, **generation: Any) -> SimulationStore:
    """Simulate the experiment and cache the simulations in a folder.

    Args:
        root: The folder.
        **generation: Other settings of ``generation_params``.
    """
    mapping = settings() | {"project_root": str(root)}
    mapping["generation_params"] |= generation
    experiment = parse_experiment(mapping)
    RawSimulations(experiment, experiment.raw_dir).make(range(4))
    manager = DataManager(experiment.raw_dir, experiment.cache_root, experiment)
    manager.cache_shard(range(4))
    return SimulationStore(manager.path(0).parent)


def training_in(
    store: SimulationStore, mapping: dict[str, Any], **options: Any
) -> SurrogateTraining:
    """A training on these simulations; options are passed to ``SurrogateTraining``."""
    return SurrogateTraining(parse_experiment(mapping), store, **options)


def in_double_precision(store: SimulationStore, mapping: dict[str, Any]) -> SurrogateTraining:
    """A training in double precision, nearly independent of the order of summation."""
    training = training_in(store, mapping)
    training.model.double()
    return training


def files_in(folder: Path, **options: Any) -> SurrogateFiles:
    """Files of a training that saves a checkpoint after every epoch."""
    names = ("model.pt", "history.csv", "checkpoints")
    return SurrogateFiles(*(folder / name for name in names), 0.0, **options)


if __name__ == "__main__":
    cache, folder, mapping = sys.argv[1:]
    training = in_double_precision(SimulationStore(cache), json.loads(mapping))
    training.run(files_in(Path(folder)), {})
