"""A whole experiment in one process: the stages that ``run.py`` goes through."""

import logging
from pathlib import Path
from typing import Any

from src.config.data_checks import check_against_data
from src.config.derived import held_out_simulations, is_augmented
from src.config.schema import Experiment
from src.data.cache_manager import CacheManager
from src.data.data_manager import DataManager
from src.factories.calibration import calibrate
from src.factories.evaluation import evaluate_models
from src.factories.model_factory import ModelFactory, data_manager
from src.factories.own_models import check_own_models
from src.factories.surrogate_training import SurrogateFiles, SurrogateTraining
from src.models.physical.raw_simulations import RawSimulations
from src.training.hybrid.augmentation import Augmentation
from src.training.physical.results import load_parameters

logger = logging.getLogger(__name__)


def run_experiment(experiment: Experiment, results: Path, source: str) -> Path:
    """Train and evaluate what the experiment's model type says.

    Args:
        experiment: The experiment.
        results: Folder of all results.
        source: The experiment's file, for messages.

    Returns:
        The experiment's folder.
    """
    folder = results / experiment.name
    check_own_models(experiment, source)
    store = _prepare_data(experiment, source)
    kind = experiment.run_params.model_type
    model, parameters = folder / "synthetic_model.pt", folder / "physical" / "parameters.yaml"
    if kind != "synthetic":
        calibrate(experiment, store, parameters, folder / "physical" / "history.csv")
    if kind != "physical":
        training = _surrogate_training(experiment, store, folder, parameters)
        files = SurrogateFiles(
            model=model,
            history=folder / "synthetic" / "history.csv",
            checkpoints=folder / "checkpoints",
            checkpoint_every_s=experiment.workflow.checkpoint_every_s,
        )
        training.run(files, _identity(experiment, training.inputs()))
    evaluation = evaluate_models(
        experiment,
        store,
        model if kind != "physical" else None,
        parameters if kind != "synthetic" else None,
        folder / "evaluation",
    )
    for name in ("synthetic", "physical", "persistence"):
        if name in evaluation.metrics:
            logger.info("%s: VRMSE %s", name, evaluation.metrics[name]["vrmse"])
    return folder


def _prepare_data(experiment: Experiment, source: str) -> DataManager:
    """Simulate the raw files if need be, check what is asked of them, and cache what is used."""
    if experiment.generation_params is not None:
        count = experiment.generation_params.num_simulations
        RawSimulations(experiment, experiment.raw_dir).make(range(count))
    store = data_manager(experiment)
    index = store.index
    if index is not None:
        frames = [
            None if file in index.errors else index.num_frames(number)
            for number, (file, _) in enumerate(index.simulations)
        ]
        check_against_data(experiment, source, index.layouts, frames, index.grid, index.known)
    training = experiment.trainer_params
    used = {*held_out_simulations(experiment)[0]}
    for stage in (training.physical, training.synthetic):
        used |= {*stage.train_sim, *stage.val_sim}
    store.cache_shard(sorted(used))
    return store


def _surrogate_training(
    experiment: Experiment, store: DataManager, folder: Path, parameters: Path
) -> SurrogateTraining:
    if not is_augmented(experiment):
        return SurrogateTraining(experiment, store)
    physical = ModelFactory.create_physical_model(experiment)
    load_parameters(parameters, physical)
    generated = CacheManager(folder / "augmented")
    maker = Augmentation(experiment, physical, store, generated)
    made = maker.make(range(experiment.augmentation.num_simulations))
    return SurrogateTraining(experiment, store, generated, made)


def _identity(experiment: Experiment, inputs: dict[str, str]) -> dict[str, Any]:
    """What decides the surrogate's training in ``run.py``: the whole experiment, and the data."""
    settings = experiment.model_dump(mode="json", exclude={"workflow", "evaluation_params"})
    return {"run": settings, "inputs": inputs}
