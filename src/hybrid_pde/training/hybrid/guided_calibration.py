"""The calibration of a later hybrid cycle."""

import logging
from collections.abc import Mapping
from math import inf
from typing import Any

from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.evaluation.predictors import PhysicalPredictor
from hybrid_pde.evaluation.validation import Validation
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.hybrid.guided_dataset import GuidedDataset
from hybrid_pde.training.physical.observed_dataset import ObservedDataset
from hybrid_pde.training.physical.parameters_file import set_result
from hybrid_pde.training.physical.physical_trainer import PhysicalTrainer

logger = logging.getLogger(__name__)


def calibrate_guided(
    trainer: PhysicalTrainer,
    data: HybridDataset | ObservedDataset,
    predictions: SimulationStore,
    previous: Mapping[str, Any],
    store: SimulationStore | None,
) -> dict[str, Any]:
    """Calibrate on what is seen and on what the surrogate predicts, from the estimate before.

    With ``hybrid.revert_if_worse`` and validation simulations the estimate before stays if the
    rollouts of the new one have larger errors on these.

    Args:
        trainer: A trainer that has not been trained; afterwards its model holds the result.
        data: Windows of the data.
        predictions: What :class:`~hybrid_pde.training.hybrid.guidance.GuidanceMaker` wrote.
        previous: What the calibration of the cycle before returned, or
            :func:`~hybrid_pde.training.physical.parameters_file.read_result`.
        store: The validation simulations, if they are there.

    Returns:
        What :meth:`PhysicalTrainer.train` returns, with ``reverted``, and ``validation``: the mean
        VRMSE of rollouts, ``new`` and ``previous``, where that was asked for. After a reversal all
        but the history, the losses and ``validation`` is that of the cycle before.
    """
    experiment, model = trainer.experiment, trainer.model
    training, weight = experiment.trainer_params.physical, experiment.hybrid.interaction_weight
    guided = GuidedDataset(data, predictions, weight, training.initial_state == "known")
    trainer.start_from(previous)
    found = trainer.train(guided, training.epochs)
    result = {**found, "reverted": False}
    if not experiment.hybrid.revert_if_worse or not training.val_sim or store is None:
        return result
    errors = {
        name: validation_error(experiment, model, each, store)
        for name, each in (("new", found), ("previous", previous))
    }
    result["validation"] = {name: None if e == inf else e for name, e in errors.items()}
    if errors["new"] > errors["previous"]:
        logger.warning(
            "the calibration is dropped for that of the cycle before: VRMSE %.4g on the validation "
            "simulations, %.4g before", errors["new"], errors["previous"],
        )  # fmt: skip
        kept = {key: previous[key] for key in ("parameters", "undetermined_directions", "status")}
        kept |= {key: previous[key] for key in ("loss", "iterations", "numerics", "fields")}
        result |= {**kept, "reverted": True}
    set_result(model, result)
    return result


def validation_error(
    experiment: Experiment,
    model: PhysicalModel,
    result: Mapping[str, Any],
    store: SimulationStore,
) -> float:
    """Mean VRMSE of rollouts with a calibration's parameters on the validation simulations.

    Args:
        experiment: Section ``trainer_params.physical``.
        model: The model, which is set to them.
        result: What the calibration returned.
        store: The simulations.

    Returns:
        Infinity where a rollout diverges, or a parameter is not determined.
    """
    if any(parameter["value"] is None for parameter in result["parameters"].values()):
        return inf
    set_result(model, result)
    indices = experiment.trainer_params.physical.val_sim
    known = store.header(indices[0]).known
    predictor = PhysicalPredictor(model, store.grid, store.layouts, store.dt, known)
    error = Validation(store, indices, batch_size=1).vrmse(predictor)
    return inf if error is None else error
