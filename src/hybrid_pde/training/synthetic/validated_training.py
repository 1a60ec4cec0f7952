"""Training of a surrogate with validation; the best weights are kept."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.augmented_dataset import AugmentedDataset
from hybrid_pde.evaluation.history import Row
from hybrid_pde.evaluation.validation import Validation
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.models.synthetic.synthetic_predictor import SyntheticPredictor
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.synthetic.best_weights import BestWeights
from hybrid_pde.training.synthetic.data_loaders import batches
from hybrid_pde.training.synthetic.epoch_record import EpochRecord
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer
from hybrid_pde.training.synthetic.tensor_trainer import (
    EpochCallback,
    ProgressCallback,
    TensorTrainer,
    TrainingResult,
)
from hybrid_pde.training.synthetic.tensorboard import Scalars
from hybrid_pde.training.synthetic.training_windows import RealWindows, mix

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SurrogateData:
    """Simulations that a surrogate is trained and validated on.

    Attributes:
        real: Windows of the training simulations.
        generated: Store of generated simulations, if there are any.
        made: The generated simulations to train on.
        held_out: Store of the validation simulations; without one nothing is validated.
    """

    real: RealWindows
    generated: CacheManager | None = None
    made: Sequence[int] = ()
    held_out: SimulationStore | None = None


class ValidatedTraining:
    """Trains a surrogate on real and generated windows, and validates it after epochs.

    Args:
        experiment: Sections ``model.synthetic``, ``trainer_params``, ``augmentation``, ``hybrid``.
        model: The surrogate, trained in place.
        data: What it is trained and validated on.
        cycle: ``(k, n)`` for the k-th of n trainings, whose epochs are counted on and whose
            schedules run over all of them.
        is_warm: Whether the model has been trained before and keeps its normalisation. With
            ``hybrid.revert_if_worse`` and validation simulations it also keeps its weights if no
            epoch is better.
        trainer: Trainer of the model; by default a new one.

    Attributes:
        best: The best weights so far.
        history: Rows of the epochs so far.
    """

    def __init__(
        self,
        experiment: Experiment,
        model: SyntheticModel,
        data: SurrogateData,
        *,
        cycle: tuple[int, int] = (1, 1),
        is_warm: bool = False,
        trainer: SyntheticTrainer | None = None,
    ) -> None:
        self.experiment, self.model, self.best = experiment, model, BestWeights()
        self.history: list[Row] = []
        self._training = experiment.trainer_params.synthetic
        self._data, self._cycle, self._is_warm = data, cycle, is_warm
        self._given_trainer = trainer
        dataset: RealWindows | AugmentedDataset = data.real
        if data.generated is not None:
            dataset = mix(experiment, data.real, data.generated, data.made)
        self._loader = batches(experiment, dataset)
        if not is_warm:
            model.fit_normalization(dataset)
        model.parameter_defaults = data.real.parameters

    @cached_property
    def trainer(self) -> SyntheticTrainer:
        """Trains the model in this process, and in those that were started together with it."""
        if self._given_trainer is not None:
            return self._given_trainer
        return SyntheticTrainer(self.experiment, self.model, cycle=self._cycle)

    def train(
        self,
        epochs: int,
        on_epoch_end: EpochCallback | None = None,
        *,
        on_progress: ProgressCallback | None = None,
        scalars: Scalars | None = None,
    ) -> TrainingResult:
        """Train; afterwards the model has the best weights.

        Args:
            epochs: Epochs in addition to those done before.
            on_epoch_end: See :meth:`TensorTrainer.train`.
            on_progress: See :meth:`TensorTrainer.train`.
            scalars: TensorBoard scalars that take the rows of the history too.
        """
        trainer = self.trainer
        if not trainer.fabric.is_global_zero:
            return trainer.train(self._loader, epochs, _ignore, on_progress=on_progress)
        record = EpochRecord(
            trainer, self.validate, self._keeps_start, self.best, self.history, scalars
        )
        if trainer.epoch == trainer.first_epoch and not trainer.within_epoch.batches:
            record.start()
        callback = _both(record, on_epoch_end)
        result = trainer.train(self._loader, epochs, callback, on_progress=on_progress)
        self._restore_best()
        return result

    def validate(self) -> float | None:
        """Mean VRMSE of rollouts over the validation simulations; ``None`` without any."""
        if self._data.held_out is None:
            return None
        with torch.no_grad():
            return self._validation.vrmse(SyntheticPredictor(self.model.eval()))

    @cached_property
    def _validation(self) -> Validation:
        assert self._data.held_out is not None
        return Validation(self._data.held_out, self._training.val_sim, self._training.batch_size)

    @property
    def _keeps_start(self) -> bool:
        """True if the weights that the training starts from may be its result."""
        reverts = self.experiment.hybrid.revert_if_worse and self._data.held_out is not None
        return self._is_warm and reverts

    def _restore_best(self) -> None:
        self.best.restore(self.model)
        if self.best.epoch == self.trainer.first_epoch:
            warn_of_result(
                "no epoch had a smaller error on the validation simulations than the model that "
                f"the training started from (VRMSE {self.best.error:.3g}), which is kept"
            )
        elif self.best.epoch is not None:
            logger.info("kept: epoch %d, validation VRMSE %.3g", self.best.epoch, self.best.error)


def _both(record: EpochRecord, further: EpochCallback | None) -> EpochCallback:
    """A callback that calls both, and stops the training if either says so."""
    if further is None:
        return record

    def after_epoch(epoch: int, loss: float, trainer: TensorTrainer) -> bool:
        stops = record(epoch, loss, trainer)
        return bool(further(epoch, loss, trainer)) or stops

    return after_epoch


def _ignore(epoch: int, loss: float, trainer: TensorTrainer) -> bool:
    """Callback of processes that write nothing; the first process decides when to stop."""
    return False
