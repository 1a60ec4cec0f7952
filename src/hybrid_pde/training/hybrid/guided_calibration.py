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
from hybrid_pde.models.physical.parameters_file import KEYS, set_result
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.result_warnings import recorded_warnings, warn_of_result
from hybrid_pde.training.hybrid.guided_observations import guided_observations
from hybrid_pde.training.hybrid.visible_fit import VisibleFit, visible_fit
from hybrid_pde.training.physical.observation_window import ObservedData
from hybrid_pde.training.physical.observed_windows import observed
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
    ``hybrid.revert_if_worse`` it returns that estimate if the new one fits the measured values
    worse than chance explains, or if there are validation simulations and rollouts with the new one
    have larger errors on these.

    Args:
        trainer: A trainer that has not been trained; afterwards its model holds the result.
        data: Windows of the data; with guidance a data set of
            :func:`~hybrid_pde.training.physical.calibration_setup.calibration_windows`.
        guidance: Results of the cycle before.

    Returns:
        What :meth:`PhysicalTrainer.train` returns. With guidance also ``reverted`` and, where both
        estimates were validated, ``validation``: the mean VRMSE of rollouts with the ``new`` and
        the ``previous`` one. After a reversal everything except the history, the losses and
        ``validation`` is that of the cycle before; ``warnings`` has the reason.

    Raises:
        ConfigError: if there is guidance and ``data`` is not a data set.
    """
    experiment, model = trainer.experiment, trainer.model
    training = experiment.trainer_params.physical
    if guidance is None:
        return trainer.train(data, training.epochs)
    if not isinstance(data, HybridDataset | ObservedData):
        raise ConfigError(
            f"hybrid.cycles: {experiment.hybrid.cycles}: the physical data must be a data set, "
            "from TrainerFactory.create_dataset_for_physical, so that predictions can be matched "
            f"with simulations and frames; found {type(data).__name__}"
        )
    weight, is_known = experiment.hybrid.interaction_weight, training.initial_state == "known"
    spec = model.spec
    seen = observed(data, spec)
    guided = guided_observations(seen, guidance.predictions, weight, spec, is_known)
    trainer.start_from(guidance.previous)
    found = trainer.train(guided, training.epochs)
    reverts, previous = experiment.hybrid.revert_if_worse, guidance.previous
    result = {**found, "reverted": False}
    with recorded_warnings() as reasons:
        fit = visible_fit(trainer, previous)
        is_worse = fit.is_worse
        if is_worse:
            warn_of_result(_describe_fit(fit, reverts))
        if reverts and training.val_sim and guidance.held_out is not None:
            errors = {
                name: validation_error(experiment, model, each, guidance.held_out)
                for name, each in (("new", found), ("previous", previous))
            }
            result["validation"] = {n: None if e == inf else e for n, e in errors.items()}
            if not is_worse and errors["new"] > errors["previous"]:
                is_worse = True
                warn_of_result(_describe_errors(errors))
    result["warnings"] = [*found["warnings"], *reasons]
    if is_worse and reverts:
        kept = {key: previous[key] for key in (*KEYS, "fields")}
        warnings = [*previous.get("warnings", []), *reasons]
        result |= {**kept, "reverted": True, "warnings": warnings}
    set_result(model, result)
    return result


def _describe_fit(fit: VisibleFit, reverts: bool) -> str:
    """Warning of a calibration that fits the measured values worse than the one before."""
    worse = f"mean square residual {fit.new:.3g} of their variance, {fit.previous:.3g} before"
    advice = (
        "Train the surrogate longer (trainer_params.synthetic.epochs) or lower "
        "hybrid.interaction_weight"
    )
    if not reverts:
        return (
            "hybrid: with the surrogate's predictions the calibration fits the measured values "
            f"worse than in the cycle before ({worse}), so its estimates may be those of the "
            f"surrogate. {advice}, or set hybrid.revert_if_worse: true, which drops it"
        )
    return (
        "hybrid: the calibration with the surrogate's predictions is dropped for that of the cycle "
        f"before, since it fits the measured values worse ({worse}). {advice}; "
        "hybrid.revert_if_worse: false keeps such a calibration"
    )


def _describe_errors(errors: Mapping[str, float]) -> str:
    """Warning of a calibration with larger errors on the validation simulations."""
    return (
        "hybrid: the calibration with the surrogate's predictions is dropped for that of the cycle "
        f"before: VRMSE {errors['new']:.4g} on the validation simulations, "
        f"{errors['previous']:.4g} before. Train the surrogate longer "
        "(trainer_params.synthetic.epochs) or lower hybrid.interaction_weight"
    )


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
