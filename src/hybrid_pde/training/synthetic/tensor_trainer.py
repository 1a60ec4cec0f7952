"""Training loop of models on tensors; subclasses define an epoch."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from hybrid_pde.config import Experiment
from hybrid_pde.config.derived import complete_training
from hybrid_pde.errors import CheckpointError
from hybrid_pde.progress import progress
from hybrid_pde.training.abstract_trainer import AbstractTrainer
from hybrid_pde.training.checkpoint import (
    check_settings,
    load_checkpoint,
    save_checkpoint,
)
from hybrid_pde.training.subnormals import without_subnormals
from hybrid_pde.training.synthetic.collectives import gather_from_processes, join_processes
from hybrid_pde.training.synthetic.epoch_progress import EpochProgress, WithinEpoch
from hybrid_pde.training.synthetic.epoch_sampler import epoch_seed
from hybrid_pde.training.synthetic.schedules import rate_factor
from hybrid_pde.training.synthetic.single_process import SingleProcess
from hybrid_pde.training.synthetic.training_result import TrainingResult

EpochCallback = Callable[[int, float, "TensorTrainer"], bool | None]
ProgressCallback = Callable[["TensorTrainer"], None]


class TensorTrainer(AbstractTrainer):
    """Trains a given model on the data of :meth:`train`.

    Epochs are counted over all calls of :meth:`train`; optimizer, schedule and random numbers
    continue from one call to the next. Every epoch draws its random numbers (dropout, shuffling of
    a loader) from a generator seeded by ``run_params.seed`` and the number of the epoch, and leaves
    the global generators unchanged.

    The same program trains on the CPU, on a GPU, and in several processes
    (:mod:`hybrid_pde.training.synthetic.processes`). Each process then trains on its part of the
    windows, gradients and losses are averaged over all processes, and only the first one writes
    files and calls ``on_epoch_end``.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
        model: Module to train, in place.
        cycle: ``(k, n)`` for the k-th of n consecutive trainings: epochs are counted from the first
            training, and schedules run over the epochs of all.

    Attributes:
        training: Settings of the training.
        model: The module to train.
        optimizer: Optimizer of its parameters, from :meth:`_create_optimizer`.
        scheduler: Schedule of the learning rate, stepped after each epoch.
        device: Device of the model: a GPU if PyTorch finds one, otherwise the CPU.
        fabric: The processes that train together, and their devices.
        first_epoch: Number of epochs of earlier trainings.
        epoch: Number of completed epochs, including earlier trainings and checkpoints.
        losses: Loss of each epoch of this training.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | Experiment,
        model: torch.nn.Module,
        *,
        cycle: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__(config)
        self.training = training = complete_training(self.experiment)
        self.fabric = join_processes(training)
        self.model = model.to(self.fabric.device)
        self.optimizer = self._create_optimizer()
        self.first_epoch = (cycle[0] - 1) * training.epochs
        self._scheduled_epochs = cycle[1] * training.epochs
        self.scheduler = self._create_scheduler()
        self._wrapped: Any = self.model
        self._wrapped_optimizer: Any = self.optimizer
        # One process in single precision needs no wrappers, which take time in every step.
        self._is_wrapped = self.fabric.world_size > 1 or training.precision != "single"
        if self._is_wrapped:
            assert not isinstance(self.fabric, SingleProcess)
            self._wrapped, self._wrapped_optimizer = self.fabric.setup(model, self.optimizer)
        self.epoch = self.first_epoch
        self.losses: list[float] = []
        self._progress = EpochProgress(self.device)
        self._on_progress: ProgressCallback | None = None

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self.fabric.device

    @property
    def within_epoch(self) -> WithinEpoch:
        """Progress within the current epoch."""
        return self._progress.within

    @abstractmethod
    def _create_optimizer(self) -> torch.optim.Optimizer:
        """Create the optimizer of ``self.model``; called once, in ``__init__``."""

    @abstractmethod
    def _train_epoch_with_data(self, data_source: DataLoader) -> float:
        """One pass over the data; returns the mean loss."""

    def share_done(self, epoch: int) -> float:
        """Completed fraction of the scheduled epochs after ``epoch`` epochs."""
        return epoch / self._scheduled_epochs

    def learning_rate(self, epoch: int) -> float:
        """Learning rate of the epoch after ``epoch`` completed ones."""
        factor = rate_factor(self.training.scheduler, self.share_done(epoch))
        return self.training.learning_rate * factor

    def train(
        self,
        data_source: DataLoader,
        num_epochs: int,
        on_epoch_end: EpochCallback | None = None,
        *,
        on_progress: ProgressCallback | None = None,
    ) -> dict[str, Any]:
        """Train for ``num_epochs`` further epochs.

        Args:
            data_source: Batches of training data. If its data set, its sampler or its batch sampler
                has ``set_epoch``, this is called with the number of the epoch (from 0) before each
                epoch. With several processes its sampler must be an
                :class:`~hybrid_pde.training.synthetic.epoch_sampler.EpochSampler`.
            num_epochs: Epochs in addition to the completed ones; after a checkpoint within an
                epoch, that epoch is the first of them.
            on_epoch_end: Called as ``on_epoch_end(epoch, loss, trainer)`` after each epoch with the
                number of completed epochs and the training loss; a true result stops the training.
                Use it for validation and early stopping.
            on_progress: Called as ``on_progress(trainer)`` after each epoch and each optimizer
                step, on a GPU after every few of them, in all processes; :meth:`state` may be
                saved there. Its exceptions stop the training.

        Returns:
            ``train_losses``, the loss of each epoch of this call, ``final_loss``, the last of them
            (NaN without epochs), ``num_epochs``, their number, and ``best_epoch``, that of the
            smallest loss, counted as :attr:`epoch` (``None`` without epochs).

        Raises:
            DivergenceError: if the loss is no longer finite.
        """
        result = self.train_epochs(data_source, num_epochs, on_epoch_end, on_progress)
        return result.to_mapping()

    def train_epochs(
        self,
        data_source: DataLoader,
        num_epochs: int,
        on_epoch_end: EpochCallback | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> TrainingResult:
        """See :meth:`train`."""
        if num_epochs < 0:
            raise ValueError(f"num_epochs: {num_epochs}: must not be negative")
        self._set_shard(data_source)
        self._on_progress = on_progress
        first, before = self.epoch, len(self.losses)
        epochs = progress(range(num_epochs), "training", quiet=not self.fabric.is_global_zero)
        for _ in epochs:
            self._set_epoch(data_source)
            self.model.train()
            rank = self.fabric.global_rank
            seed = epoch_seed(self.seed, self.epoch, rank)
            with without_subnormals(), self._progress.epoch(seed):
                loss = self._train_epoch_with_data(data_source)
            self.scheduler.step()
            self.epoch += 1
            self.losses.append(loss)
            stops = self._should_stop(loss, on_epoch_end)
            self._report_progress()
            if stops:
                break
        return TrainingResult(self.losses[before:], first)

    def save_checkpoint(self, path: str | Path) -> None:
        """Write :meth:`state` to a file, atomically; call it in all processes, the first writes."""
        state = self.state()
        if self.fabric.is_global_zero:
            save_checkpoint(path, state["training"], settings=state["settings"])

    def load_checkpoint(self, path: str | Path) -> None:
        """Resume from a checkpoint as if the training had not been interrupted.

        Raises:
            CheckpointError: if the file is damaged, or belongs to other settings or another model.
        """
        state = load_checkpoint(path, settings=self._settings())
        self._restore(state, str(path))

    def state(self) -> dict[str, Any]:
        """Everything needed to resume the training, as tensors and plain types.

        Model, optimizer, schedule, epochs, progress within the current epoch, and the random states
        of all processes. All processes must call it together.
        """
        training = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self._loss_scaling(),
            "losses": self.losses,
            "processes": gather_from_processes(self.fabric, self._progress.state()),
        }
        return {"training": training, "settings": self._settings()}

    def load_state(self, state: Mapping[str, Any], source: str) -> None:
        """Resume from a state.

        Args:
            state: Result of :meth:`state`.
            source: Origin of the state, for messages.

        Raises:
            CheckpointError: if it belongs to other settings or another model.
        """
        check_settings(state["settings"], self._settings(), source)
        self._restore(state["training"], source)

    def _restore(self, state: Mapping[str, Any], source: str) -> None:
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(f"{source}: belongs to another model: {error}") from error
        self.scheduler.load_state_dict(state["scheduler"])
        if not isinstance(self.fabric, SingleProcess):
            self.fabric.strategy.precision.load_state_dict(state["scaler"])
        self.losses = list(state["losses"])
        self.epoch = self.first_epoch + len(self.losses)
        self._progress.load_state(state["processes"][self.fabric.global_rank])

    def _loss_scaling(self) -> dict[str, Any]:
        """The state of the loss scaling of fp16, empty in other precisions."""
        if isinstance(self.fabric, SingleProcess):
            return {}
        return self.fabric.strategy.precision.state_dict()

    def _step_done(self, batches: int, windows: int, total: float) -> None:
        """Update the progress within the epoch, see :class:`WithinEpoch`, after a step."""
        self._progress.within = WithinEpoch(batches, windows, total)
        self._report_progress()

    def _report_progress(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self)

    def _settings(self) -> dict[str, Any]:
        """Settings that a checkpoint belongs to, as JSON types."""
        model = self.experiment.model.synthetic
        training = self.training.model_dump(mode="json")
        held_out = {"val_sim", "test_sim"}  # do not affect the training
        return {
            "run_params.seed": self.experiment.run_params.seed,
            "processes": self.fabric.world_size,
            "model.synthetic": None if model is None else model.model_dump(mode="json"),
            "epochs before, and in all cycles": [self.first_epoch, self._scheduled_epochs],
            **{
                f"trainer_params.{key}": value
                for key, value in training.items()
                if key not in held_out
            },
        }

    def _create_scheduler(self) -> LambdaLR:
        kind, first = self.training.scheduler, self.first_epoch
        return LambdaLR(
            self.optimizer, lambda epoch: rate_factor(kind, self.share_done(first + epoch))
        )

    def _should_stop(self, loss: float, on_epoch_end: EpochCallback | None) -> bool:
        """True if the callback stops the training, in all processes."""
        if on_epoch_end is None:
            return False
        stops = bool(on_epoch_end(self.epoch, loss, self)) if self.fabric.is_global_zero else False
        return self.fabric.broadcast(stops)

    def _set_shard(self, data_source: DataLoader) -> None:
        if self.fabric.world_size == 1:
            return
        sampler = getattr(data_source, "sampler", None)
        set_shard = getattr(sampler, "set_shard", None)
        if set_shard is None:
            raise ValueError(
                f"sampler: {type(sampler).__name__}: {self.fabric.world_size} processes train "
                "together; use an EpochSampler, which gives each process its part"
            )
        set_shard(self.fabric.global_rank, self.fabric.world_size)

    def _set_epoch(self, data_source: DataLoader) -> None:
        for name in ("dataset", "sampler", "batch_sampler"):
            set_epoch = getattr(getattr(data_source, name, None), "set_epoch", None)
            if set_epoch is not None:
                set_epoch(self.epoch)
