"""Calibration in a hybrid cycle: guided by the surrogate from the second one on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.errors import ConfigError
from hybrid_pde.evaluation.physical_predictor import PhysicalPredictor
from hybrid_pde.evaluation.validation import Validation
from hybrid_pde.models.physical.parameters_file import set_result
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.hybrid.guided_dataset import GuidedDataset
from hybrid_pde.training.physical.observed_dataset import ObservedDataset
from hybrid_pde.training.physical.physical_trainer import PhysicalTrainer


@dataclass(frozen=True)
class Guidance:
    """Results of the cycle before that guide a calibration.

    Attributes:
        predictions: The surrogate's predictions, see
            :class:`~hybrid_pde.training.hybrid.guidance.GuidanceMaker`.
        previous: Result of the calibration before, as it was returned or as
            :func:`~hybrid_pde.models.physical.parameters_file.read_result` reads it.
        held_out: Store of the validation simulations, if they are cached.
    """

    predictions: SimulationStore
    previous: Mapping[str, Any]
    held_out: SimulationStore | None


def calibrate_cycle(
    trainer: PhysicalTrainer, data: Iterable[Any], guidance: Guidance | None = None
) -> dict[str, Any]:
    """Calibrate on the observations, and on a surrogate's predictions if there is guidance.

    With guidance the calibration starts from the previous estimate. With
    ``hybrid.revert_if_worse`` and validation simulations it returns that estimate if rollouts with
    the new one have larger errors on these.

    Args:
        trainer: A trainer that has not been trained; afterwards its model holds the result.
        data: Windows of the data; with guidance a data set of
            :func:`~hybrid_pde.training.physical.calibration_setup.calibration_windows`.
        guidance: Results of the cycle before.

    Returns:
        What :meth:`PhysicalTrainer.train` returns. With guidance also ``reverted`` and, where both
        estimates were validated, ``validation``: the mean VRMSE of rollouts with the ``new`` and
        the ``previous`` one. After a reversal everything except the history, the losses and
        ``validation`` is that of the cycle before.

    Raises:
        ConfigError: if there is guidance and ``data`` is not a data set.
    """
    experiment, model = trainer.experiment, trainer.model
    training = experiment.trainer_params.physical
    if guidance is None:
        return trainer.train(data, training.epochs)
    if not isinstance(data, HybridDataset | ObservedDataset):
        raise ConfigError(
            f"hybrid.cycles: {experiment.hybrid.cycles}: the physical data must be a data set, "
            "from TrainerFactory.create_dataset_for_physical, so that predictions can be matched "
            f"with simulations and frames; found {type(data).__name__}"
        )
    weight, is_known = experiment.hybrid.interaction_weight, training.initial_state == "known"
    guided = GuidedDataset(data, guidance.predictions, weight, is_known)
    trainer.start_from(guidance.previous)
    found = trainer.train(guided, training.epochs)
    if not experiment.hybrid.revert_if_worse or not training.val_sim or guidance.held_out is None:
        return {**found, "reverted": False}
    result = _better(experiment, model, found, guidance.previous, guidance.held_out)
    set_result(model, result)
    return result


def _better(
    experiment: Experiment,
    model: PhysicalModel,
    found: Mapping[str, Any],
    previous: Mapping[str, Any],
    store: SimulationStore,
) -> dict[str, Any]:
    """The new result, or the previous one if its rollouts have smaller errors."""
    errors = {
        name: validation_error(experiment, model, each, store)
        for name, each in (("new", found), ("previous", previous))
    }
    validation = {name: None if error == inf else error for name, error in errors.items()}
    result = {**found, "reverted": False, "validation": validation}
    if errors["new"] > errors["previous"]:
        warn_of_result(
            "the calibration is dropped for that of the cycle before: VRMSE "
            f"{errors['new']:.4g} on the validation simulations, {errors['previous']:.4g} before"
        )
        kept = {key: previous[key] for key in ("parameters", "undetermined_directions", "status")}
        kept |= {key: previous[key] for key in ("loss", "iterations", "numerics", "fields")}
        result |= {**kept, "reverted": True}
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
