"""The calibration of the physical model, on explicit stores and paths."""

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.evaluation.history import write_history
from hybrid_pde.factories.trainer_factory import TrainerFactory
from hybrid_pde.training.checkpoint_folder import CheckpointFolder
from hybrid_pde.training.hybrid.guided_calibration import calibrate_guided
from hybrid_pde.training.physical.evaluation_log import EvaluationLog
from hybrid_pde.training.physical.minimization import DIVERGED
from hybrid_pde.training.physical.parameters_file import read_result, write_parameters

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Guide:
    """What the cycle before leaves to a calibration.

    Attributes:
        predictions: The synthetic model's simulations of what is not seen.
        previous: ``parameters.yaml`` of the cycle before.
    """

    predictions: CacheManager
    previous: Path


def calibrate(
    experiment: Experiment,
    store: SimulationStore,
    parameters: Path,
    history: Path,
    *,
    guide: Guide | None = None,
    checkpoints: CheckpointFolder | None = None,
) -> dict[str, Any]:
    """Estimate the physical model's parameters and write ``parameters.yaml`` and ``history.csv``.

    Args:
        experiment: Sections ``model.physical``, ``trainer_params`` and ``hybrid``.
        store: The training simulations; those of ``val_sim`` too with a guide and
            ``hybrid.revert_if_worse``.
        parameters: YAML file to write.
        history: CSV file to write.
        guide: What the cycle before leaves, from the second one on.
        checkpoints: Folder of this calibration's checkpoints, if one that is ended is to go on.

    Returns:
        What :meth:`PhysicalTrainer.train` returned, or :func:`calibrate_guided` with a guide.
    """
    with checkpoints or nullcontext():
        log = EvaluationLog(checkpoints)
        try:
            result = _estimate(experiment, store, guide, log)
        finally:
            log.flush()
        _tell(result)
        write_history(history, result["history"])
        write_parameters(parameters, result)
        if checkpoints is not None:
            checkpoints.finish()
    return result


def _estimate(
    experiment: Experiment, store: SimulationStore, guide: Guide | None, log: EvaluationLog
) -> dict[str, Any]:
    dataset = TrainerFactory.create_dataset_for_physical(
        experiment, use_sliding_window=False, store=store
    )
    trainer = TrainerFactory.create_physical_trainer(experiment)
    trainer.log = log
    if guide is None:
        return trainer.train(dataset, experiment.trainer_params.physical.epochs)
    previous = read_result(guide.previous)
    return calibrate_guided(trainer, dataset, guide.predictions, previous, store)


def _tell(result: Mapping[str, Any]) -> None:
    if result["status"] == DIVERGED:
        logger.warning("the calibration diverged; what follows is the best estimate so far")
    for name, parameter in result["parameters"].items():
        value, std, unit = (parameter[key] for key in ("value", "std", "unit"))
        if value is None:
            logger.warning("%s: the data do not determine it", name)
        elif name in result["fields"]:  # a standard deviation for each learned number
            logger.info("%s = %s %s", name, value, unit)
        else:
            logger.info("%s = %s %s%s", name, value, unit, "" if std is None else f", ± {std}")
