"""The calibration of the physical model, on explicit stores and paths."""

import logging
from pathlib import Path
from typing import Any

from src.config.schema import Experiment
from src.data.simulation_store import SimulationStore
from src.factories.trainer_factory import TrainerFactory
from src.training.physical.minimization import DIVERGED
from src.training.physical.results import write_parameters
from src.training.synthetic.checkpoint_folder import write_history

logger = logging.getLogger(__name__)


def calibrate(
    experiment: Experiment, store: SimulationStore, parameters: Path, history: Path
) -> dict[str, Any]:
    """Estimate the physical model's parameters and write ``parameters.yaml`` and ``history.csv``.

    Args:
        experiment: Sections ``model.physical`` and ``trainer_params``.
        store: The training simulations.
        parameters: YAML file to write.
        history: CSV file to write.

    Returns:
        What :meth:`PhysicalTrainer.train` returned.
    """
    dataset = TrainerFactory.create_dataset_for_physical(
        experiment, use_sliding_window=False, store=store
    )
    trainer = TrainerFactory.create_physical_trainer(experiment)
    result = trainer.train(dataset, experiment.trainer_params.physical.epochs)
    if result["status"] == DIVERGED:
        logger.warning("the calibration diverged; what follows is the best estimate so far")
    for name, parameter in result["parameters"].items():
        value, std, unit = (parameter[key] for key in ("value", "std", "unit"))
        if value is None:
            logger.warning("%s: the data do not determine it", name)
        else:
            logger.info("%s = %s %s%s", name, value, unit, "" if std is None else f", ± {std}")
    write_history(history, result["history"])
    write_parameters(parameters, result)
    return result
