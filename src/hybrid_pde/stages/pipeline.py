"""A whole experiment in one process: the stages that ``run.py`` goes through."""

import logging
from pathlib import Path
from typing import Any

from hybrid_pde.config.checks.data import check_against_data
from hybrid_pde.config.derived import (
    held_out_simulations,
    is_augmented,
    needs_equation,
    num_cycles,
    replicate_of,
    stages_trained,
)
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.domain.run_folders import cycle_folder, replicate_folder
from hybrid_pde.factories.model_factory import ModelFactory, data_manager
from hybrid_pde.models.user_models import check_own_models
from hybrid_pde.stages.evaluate import evaluate_models
from hybrid_pde.stages.guide import predict_guidance
from hybrid_pde.stages.hybrid import conclude_cycles
from hybrid_pde.stages.simulate import RawSimulations
from hybrid_pde.stages.train_physical import Guide, calibrate
from hybrid_pde.stages.train_synthetic import SurrogateFiles, SurrogateTraining
from hybrid_pde.training.augmentation.augmentation import Augmentation, refuse_many_left_out
from hybrid_pde.training.checkpoint_folder import CheckpointFolder
from hybrid_pde.training.finished_checkpoints import remove_finished_checkpoints
from hybrid_pde.training.physical.parameters_file import load_parameters, read_parameters

SOURCES = Path(__file__).resolve().parents[1]
PARAMETERS = Path("physical") / "parameters.yaml"
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
    _train(experiment, store, folder)
    models = [folder / "synthetic_model.pt"]
    for number in range(1, experiment.trainer_params.synthetic.replicates):
        if kind != "physical":
            _train_surrogate(experiment, store, folder, replicate=number)
            models.append(replicate_folder(folder, number) / "synthetic_model.pt")
    evaluation = evaluate_models(
        experiment,
        store,
        models if kind != "physical" else None,
        folder / PARAMETERS if kind != "synthetic" else None,
        folder / "evaluation",
    )
    for name in ("synthetic", "physical", "persistence"):
        if name in evaluation.metrics:
            logger.info("%s: VRMSE %s", name, evaluation.metrics[name]["vrmse"])
    remove_finished_checkpoints(folder)
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


def _train(experiment: Experiment, store: DataManager, folder: Path) -> None:
    """Train the models that there are, in as many cycles as the experiment says."""
    kind, cycles = experiment.run_params.model_type, num_cycles(experiment)
    homes = [folder] if cycles == 1 else [cycle_folder(folder, k + 1) for k in range(cycles)]
    for number, home in enumerate(homes, 1):
        before = homes[number - 2] if number > 1 else None
        if kind != "synthetic":
            _calibrate(experiment, store, before, home)
        if kind != "physical":
            _train_surrogate(experiment, store, home, before, (number, cycles))
    if cycles > 1:
        conclude_cycles(homes, folder)


def _calibrate(experiment: Experiment, store: DataManager, before: Path | None, home: Path) -> None:
    """Calibrate the physical model, from the second cycle on with what the one before teaches."""
    guide = None if before is None else _guide(experiment, store, before, home)
    training = experiment.trainer_params.physical
    inputs = store.manifest(sorted({*training.train_sim, *training.val_sim}))["files"]
    taught = None if before is None else sha256_of(before / "synthetic_model.pt")
    identity = {**_identity(experiment, inputs), "taught by": taught}
    every_s = experiment.workflow.checkpoint_every_s
    calibrate(
        experiment,
        store,
        home / PARAMETERS,
        home / "physical" / "history.csv",
        guide=guide,
        checkpoints=CheckpointFolder(home / "checkpoints", identity, every_s),
    )


def _guide(experiment: Experiment, store: DataManager, before: Path, home: Path) -> Guide:
    predictions = CacheManager(home / "guidance")
    predict_guidance(experiment, store, before / "synthetic_model.pt", predictions)
    return Guide(predictions, before / PARAMETERS)


def _train_surrogate(
    experiment: Experiment,
    store: DataManager,
    folder: Path,
    before: Path | None = None,
    cycle: tuple[int, int] = (1, 1),
    replicate: int = 0,
) -> None:
    """Train a surrogate on the data and on what the calibrated model generates.

    Args:
        experiment: The experiment.
        store: The data.
        folder: Folder of the calibrated parameters, which takes the generated simulations.
        before: Folder of the cycle before.
        cycle: Which cycle it is, and of how many.
        replicate: Which surrogate it is; all have the same data.
    """
    home = replicate_folder(folder, replicate) if replicate else folder
    physical, generated, made = None, None, []
    if "physical" in stages_trained(experiment):
        physical = ModelFactory.create_physical_model(experiment)
        load_parameters(folder / PARAMETERS, physical)
    if is_augmented(experiment):
        assert physical is not None
        generated = CacheManager(folder / "augmented")
        calibrated = read_parameters(folder / PARAMETERS)["parameters"]
        maker = Augmentation(experiment, physical, store, generated, calibrated=calibrated)
        made = maker.make(range(experiment.augmentation.num_simulations))
        refuse_many_left_out(experiment, made)
    seeded = replicate_of(experiment, replicate)
    training = SurrogateTraining(
        seeded,
        store,
        generated,
        made,
        physical=physical if needs_equation(experiment) else None,
        warm_start=None if before is None else before / "synthetic_model.pt",
        cycle=cycle,
    )
    files = SurrogateFiles(
        model=home / "synthetic_model.pt",
        history=home / "synthetic" / "history.csv",
        checkpoints=home / "checkpoints",
        checkpoint_every_s=experiment.workflow.checkpoint_every_s,
        tensorboard=home / "tensorboard" if experiment.workflow.tensorboard else None,
    )
    training.run(files, _identity(seeded, training.inputs()))


def _identity(experiment: Experiment, inputs: dict[str, str]) -> dict[str, Any]:
    """What decides a training in ``run.py``: the whole experiment, the data, and all code."""
    settings = experiment.model_dump(mode="json", exclude={"workflow", "evaluation_params"})
    model, root = experiment.model, Path(experiment.project_root)
    sections = [each for each in (model.physical, model.synthetic) if each is not None]
    own = [root / section.module for section in sections if section.module]
    code = [sha256_of(path) for path in [*sorted(SOURCES.rglob("*.py")), *own]]
    return {"run": settings, "inputs": inputs, "code": code}
