"""Training of a surrogate with validation; the best weights are kept."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch.utils.data import DataLoader

from hybrid_pde.config.derived import complete_training
from hybrid_pde.config.schema import CompleteTraining, Experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.augmented_dataset import AugmentedDataset
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.evaluation.history import Row
from hybrid_pde.evaluation.predictors import persistence
from hybrid_pde.evaluation.rollout_batches import MAX_SIMULATIONS
from hybrid_pde.evaluation.validation import Validation
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.models.synthetic.synthetic_predictor import SyntheticPredictor
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.synthetic.automatic_settings import (
    HARD,
    LEAST_SEARCHED,
    open_settings_of,
    settings_for,
)
from hybrid_pde.training.synthetic.best_weights import BestWeights
from hybrid_pde.training.synthetic.data_loaders import batches
from hybrid_pde.training.synthetic.epoch_record import EpochRecord
from hybrid_pde.training.synthetic.processes import num_processes
from hybrid_pde.training.synthetic.settings_search import (
    SettingsSearch,
    open_network_settings,
    with_network,
    with_training,
)
from hybrid_pde.training.synthetic.skill_warnings import warn_of_no_skill
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer
from hybrid_pde.training.synthetic.tensor_trainer import (
    EpochCallback,
    ProgressCallback,
    TensorTrainer,
)
from hybrid_pde.training.synthetic.tensorboard import Scalars
from hybrid_pde.training.synthetic.training_result import TrainingResult
from hybrid_pde.training.synthetic.training_windows import RealWindows, mix

# Rollouts of the search are a quarter as long as the simulations: after a short training, later
# frames of a chaotic system are lost with any settings.
SHARE_COMPARED, LEAST_COMPARED = 0.25, 8
HALF = 0.5  # of persistence's error: below it weights are worth going back to

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
        trainer: Trainer of the model; by default a new one. Settings that are open need a new one.
        chosen: Settings that an earlier cycle chose.

    Attributes:
        experiment: The experiment; its settings are complete after :meth:`choose_settings`.
        best: The best weights so far.
        history: Rows of the epochs so far.
        search: Rows of the short trainings that settings were chosen by.
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
        chosen: CompleteTraining | None = None,
    ) -> None:
        self.experiment, self.model, self.best = experiment, model, BestWeights()
        self.history: list[Row] = []
        self.search: list[Row] = []
        self._data, self._cycle, self._is_warm = data, cycle, is_warm
        self._loader: DataLoader[Any]
        self._made_windows: dict[tuple[int, int | None, int], RealWindows | AugmentedDataset] = {}
        self._open = open_settings_of(experiment)
        self._given_trainer = None if self._open else trainer
        self._chosen = None if chosen is None else dict(chosen)
        self._budgets, self._longest = 1.0, 0
        if not is_warm:
            model.fit_normalization(self._windows(self._settings()))
        model.parameter_defaults = data.real.parameters
        if not self.needs_search:
            self._settle(self._chosen)

    @property
    def needs_search(self) -> bool:
        """True if short trainings have yet to decide on settings."""
        if isinstance(self.experiment.trainer_params.synthetic, CompleteTraining):
            return False
        searched = {"learning_rate", "num_predict_steps"} & {*self._open}
        # processes that train together cannot make trainings of their own
        if self._chosen is not None or self._has_peers or not searched:
            return False
        settings = self._settings()
        windows = settings.windows_per_epoch or len(self._windows(settings))
        steps = settings.epochs * math.ceil(windows / settings.batch_size)
        return steps >= LEAST_SEARCHED and self._compared is not None

    @property
    def settings(self) -> CompleteTraining:
        """Settings of the training, for which :meth:`choose_settings` has been called."""
        return complete_training(self.experiment)

    def choose_settings(
        self,
        on_row: Callable[[], None] = lambda: None,
        on_progress: ProgressCallback | None = None,
    ) -> None:
        """Choose the settings that the experiment leaves open; see :class:`SettingsSearch`.

        Args:
            on_row: Called after each short training.
            on_progress: See :meth:`TensorTrainer.train`.
        """
        if not self.needs_search:
            return
        assert self._compared is not None
        search = SettingsSearch(
            with_training(self.experiment, self._settings()),
            self.model,
            [*self._open, *self._open_network()],
            self._windows,
            self._compared,
            self.search,
            self._most_steps(),
        )
        chosen = search.run(on_row, on_progress)
        if search.is_hard and "epochs" in self._open:
            logger.info("twice as long a training, since no short one had a small error")
            self._budgets = HARD
        elif search.chooses_length:  # longer rollouts cost steps, which hard problems need more
            self._longest = self._most_steps()
        self._settle(chosen)

    def _open_network(self) -> list[str]:
        """Settings of the network that validation simulations are to decide on."""
        if self._data.held_out is None:
            return []
        return open_network_settings(self.experiment, self.model, self._data.real.grid.shape)

    @cached_property
    def trainer(self) -> SyntheticTrainer:
        """Trains the model in this process, and in those that were started together with it."""
        if self._given_trainer is not None:
            return self._given_trainer
        return SyntheticTrainer(self.experiment, self.model, cycle=self._cycle)

    def train(
        self,
        epochs: int | None = None,
        on_epoch_end: EpochCallback | None = None,
        *,
        on_progress: ProgressCallback | None = None,
        scalars: Scalars | None = None,
    ) -> TrainingResult:
        """Choose open settings and train; afterwards the model has the best weights.

        Args:
            epochs: Epochs in addition to those done before; by default those of the settings.
            on_epoch_end: See :meth:`TensorTrainer.train`.
            on_progress: See :meth:`TensorTrainer.train`.
            scalars: TensorBoard scalars that take the rows of the history too.
        """
        self.choose_settings()
        epochs = self.settings.epochs if epochs is None else epochs
        trainer = self.trainer
        if not trainer.fabric.is_global_zero:
            return trainer.train_epochs(self._loader, epochs, _ignore, on_progress)
        record = EpochRecord(
            trainer,
            self.validate,
            self._keeps_start,
            self.best,
            self.history,
            scalars,
            good_error=HALF * (self._persistence or 0.0),
        )
        if trainer.epoch == trainer.first_epoch and not trainer.within_epoch.batches:
            record.start()
        callback = _both(record, on_epoch_end)
        result = trainer.train_epochs(self._loader, epochs, callback, on_progress)
        self._restore_best()
        self._warn_of_no_skill(len(self._loader) * result.num_epochs)
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
        return Validation(self._data.held_out, self.settings.val_sim, MAX_SIMULATIONS)

    @cached_property
    def _persistence(self) -> float | None:
        """Validation error of persistence; ``None`` without validation."""
        return None if self._data.held_out is None else self._validation.vrmse(persistence)

    @cached_property
    def _compared(self) -> Validation | None:
        """Rollouts that settings are compared by: of a few validation or training simulations."""
        training = self.experiment.trainer_params.synthetic
        if self._data.held_out is not None:
            simulations, steps = training.val_sim[:MAX_SIMULATIONS], self._compared_steps
            return Validation(self._data.held_out, simulations, MAX_SIMULATIONS, steps)
        if self.experiment.data.observations is not None:  # only parts may be seen
            return None
        real = self._data.real
        compared = real.sim_indices[:MAX_SIMULATIONS]
        return Validation(real.store, compared, MAX_SIMULATIONS, self._compared_steps)

    @property
    def _compared_steps(self) -> int:
        """Length of rollouts that settings are compared by."""
        return max(LEAST_COMPARED, math.ceil(SHARE_COMPARED * self._most_steps()))

    @property
    def _has_peers(self) -> bool:
        devices = self.experiment.trainer_params.synthetic.devices
        return devices > 1 or num_processes(devices) > 1

    def _settings(self, chosen: Mapping[str, Any] | None = None) -> CompleteTraining:
        return settings_for(
            self.experiment,
            self.model,
            self._data.real.grid.shape,
            chosen,
            self._validated_frames,
            self._budgets,
            self._longest,
        )

    @cached_property
    def _validated_frames(self) -> int:
        """Number of frames that a validation predicts."""
        held_out = self._data.held_out
        if held_out is None:
            return 0
        simulations = self.experiment.trainer_params.synthetic.val_sim
        return sum(held_out.header(index).num_frames - 1 for index in simulations)

    def _settle(self, chosen: Mapping[str, Any] | None) -> None:
        """Complete the experiment's settings, and make the loader."""
        before = self.model.network_settings
        network = {name: (chosen or {}).get(name, value) for name, value in before.items()}
        if network != before:
            self.model.renew_network(**network)
        settings = self._settings(chosen)  # a larger network makes fewer steps
        self.experiment = with_network(with_training(self.experiment, settings), self.model)
        self._loader = batches(self.experiment, self._windows(settings))

    def _windows(self, training: CompleteTraining) -> RealWindows | AugmentedDataset:
        """The training windows for these settings."""
        data, steps = self._data, training.num_predict_steps
        key = steps, training.windows_per_epoch, training.epochs
        if key in self._made_windows:
            return self._made_windows[key]
        real: RealWindows = data.real
        is_open = "num_predict_steps" in self._open and real.num_predict_steps != steps
        if is_open and isinstance(real, HybridDataset):
            real = real.like(real.store, real.sim_indices, steps)
        if data.generated is None:
            return real
        experiment, uses_all = with_training(self.experiment, training), "batch_size" in self._open
        made = mix(experiment, real, data.generated, data.made, uses_all)
        self._made_windows[key] = made
        return made

    def _most_steps(self) -> int:
        """Number of steps of the shortest simulation that is trained on."""
        real, generated = self._data.real, self._data.generated
        headers = [real.store.header(index) for index in real.sim_indices]
        headers += [generated.header(i) for i in self._data.made] if generated is not None else []
        return min(header.num_frames for header in headers) - 1

    @property
    def _keeps_start(self) -> bool:
        """True if the weights that the training starts from may be its result."""
        reverts = self.experiment.hybrid.revert_if_worse and self._data.held_out is not None
        return self._is_warm and reverts

    def _warn_of_no_skill(self, steps: int) -> None:
        """Warn if so many steps have not made the model better than persistence."""
        errors = [row["val_vrmse"] for row in self.history if row["val_vrmse"] is not None]
        error = self.best.error if self.best.epoch is not None else (errors or [None])[-1]
        losses = [row["train_loss"] for row in self.history if row["train_loss"] is not None]
        reference = None if error is None else self._persistence
        warn_of_no_skill(steps, [] if self._is_warm else losses, error, reference)

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
