"""The training loop of models on tensors; what an epoch does is left to subclasses."""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from hybrid_pde.config import Experiment
from hybrid_pde.errors import CheckpointError
from hybrid_pde.progress import progress
from hybrid_pde.training.abstract_trainer import AbstractTrainer
from hybrid_pde.training.checkpoint import (
    load_checkpoint,
    refuse_other_settings,
    save_checkpoint,
)
from hybrid_pde.training.synthetic.collectives import gather_from_processes
from hybrid_pde.training.synthetic.epoch_progress import EpochProgress, WithinEpoch
from hybrid_pde.training.synthetic.epoch_sampler import epoch_seed
from hybrid_pde.training.synthetic.processes import make_fabric
from hybrid_pde.training.synthetic.schedules import rate_factor

EpochCallback = Callable[[int, float, "TensorTrainer"], bool | None]
ProgressCallback = Callable[["TensorTrainer"], None]


class TrainingResult(TypedDict):
    """What :meth:`TensorTrainer.train` returns.

    ``train_losses`` holds the loss of each epoch of this call, ``final_loss`` the last of them
    (NaN without any), ``num_epochs`` their number, and ``best_epoch`` the epoch of the smallest
    loss, in the counting of :attr:`TensorTrainer.epoch` (``None`` without any).
    """

    train_losses: list[float]
    final_loss: float
    num_epochs: int
    best_epoch: int | None


class TensorTrainer(AbstractTrainer):
    """Trains a model that was made outside on data that are handed to :meth:`train`.

    Epochs are numbered through over all calls of :meth:`train`; optimizer, schedule and random
    numbers go on from one call to the next, whatever the data. Every epoch draws its random
    numbers (dropout, the shuffling of a loader) from a generator seeded by ``run_params.seed`` and
    the epoch's number, and leaves the caller's generators alone.

    The same program trains on the CPU, on a GPU, and in several processes (see
    :mod:`hybrid_pde.training.synthetic.processes`): each then takes its share of every epoch's
    windows, gradients and losses are averaged over all, and the first alone writes files and calls
    ``on_epoch_end``.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
        model: Module to train, in place.
        cycle: ``(k, n)`` for the k-th of n trainings that are one: its epochs are counted on from
            those of the trainings before, and the schedules run over the epochs of all.

    Attributes:
        model: The module that was passed.
        optimizer: Optimizer of its parameters, made by :meth:`_create_optimizer`.
        scheduler: Schedule of the learning rate, stepped after each epoch.
        device: Where the model lies: a GPU if PyTorch sees one, else the CPU.
        fabric: The processes that train together, and their devices.
        first_epoch: Number of epochs of the trainings before.
        epoch: Number of epochs done, those before this training and before a checkpoint included.
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
        training = self.experiment.trainer_params.synthetic
        self.fabric = make_fabric(training)
        self.model = model.to(self.fabric.device)
        self.optimizer = self._create_optimizer()
        self.first_epoch = (cycle[0] - 1) * training.epochs
        self._scheduled_epochs = cycle[1] * training.epochs
        self.scheduler = self._create_scheduler()
        self._wrapped, self._wrapped_optimizer = self.fabric.setup(model, self.optimizer)
        self.epoch = self.first_epoch
        self.losses: list[float] = []
        self._progress = EpochProgress(self.device)
        self._on_progress: ProgressCallback | None = None

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.fabric.device

    @property
    def within_epoch(self) -> WithinEpoch:
        """How far the present epoch is."""
        return self._progress.within

    @abstractmethod
    def _create_optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of ``self.model``; called once, when the trainer is made."""

    @abstractmethod
    def _train_epoch_with_data(self, data_source: DataLoader) -> float:
        """One pass over the data; returns the mean loss."""

    def share_done(self, epoch: int) -> float:
        """Share of the scheduled epochs that are done after ``epoch`` of them."""
        return epoch / self._scheduled_epochs

    def learning_rate(self, epoch: int) -> float:
        """Learning rate of the epoch that follows ``epoch`` others."""
        training = self.experiment.trainer_params.synthetic
        return training.learning_rate * rate_factor(training.scheduler, self.share_done(epoch))

    def train(
        self,
        data_source: DataLoader,
        num_epochs: int,
        on_epoch_end: EpochCallback | None = None,
        *,
        on_progress: ProgressCallback | None = None,
    ) -> TrainingResult:
        """Train for ``num_epochs`` epochs more.

        Args:
            data_source: Batches to train on. If its data set, its sampler or its batch sampler has
                ``set_epoch``, that is called with the epoch's number (from 0) before each epoch.
                Several processes need an
                :class:`~hybrid_pde.training.synthetic.epoch_sampler.EpochSampler`.
            num_epochs: Epochs in addition to those done before; after a checkpoint that was saved
                within an epoch, this epoch is the first of them.
            on_epoch_end: Called as ``on_epoch_end(epoch, loss, trainer)`` after each epoch with
                the number of epochs done so far and the epoch's training loss; a true result ends
                the training. Validation and early stopping come in here.
            on_progress: Called as ``on_progress(trainer)`` after each step of the optimizer and
                each epoch, in all processes: where :meth:`state` may be saved. What it raises ends
                the training.

        Raises:
            DivergenceError: if the loss is no longer finite.
        """
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
            with self._progress.epoch(epoch_seed(self.seed, self.epoch, rank)):
                loss = self._train_epoch_with_data(data_source)
            self.scheduler.step()
            self.epoch += 1
            self.losses.append(loss)
            stops = self._stops(loss, on_epoch_end)
            self._tell_progress()
            if stops:
                break
        losses = self.losses[before:]
        return TrainingResult(
            train_losses=losses,
            final_loss=losses[-1] if losses else math.nan,
            num_epochs=len(losses),
            best_epoch=first + 1 + losses.index(min(losses)) if losses else None,
        )

    def save_checkpoint(self, path: str | Path) -> None:
        """Write :meth:`state` to a file, atomically; called in all processes, the first writes."""
        state = self.state()
        if self.fabric.is_global_zero:
            save_checkpoint(path, state["training"], settings=state["settings"])

    def load_checkpoint(self, path: str | Path) -> None:
        """Go on from a checkpoint as if the training had not been interrupted.

        Raises:
            CheckpointError: if the file is damaged, or belongs to other settings or another model.
        """
        state = load_checkpoint(path, settings=self._settings())
        self._take_over(state, str(path))

    def state(self) -> dict[str, Any]:
        """All that the training needs to go on, as tensors and plain types.

        Model, optimizer, schedule, epochs, how far the present one is, and the random states of all
        processes, which have to call this together.
        """
        training = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),  # of losses in half precision
            "losses": self.losses,
            "processes": gather_from_processes(self.fabric, self._progress.state()),
        }
        return {"training": training, "settings": self._settings()}

    def load_state(self, state: Mapping[str, Any], source: str) -> None:
        """Go on from what :meth:`state` gave.

        Args:
            state: The state.
            source: Where it comes from, for messages.

        Raises:
            CheckpointError: if it belongs to other settings or another model.
        """
        refuse_other_settings(state["settings"], self._settings(), source)
        self._take_over(state["training"], source)

    def _take_over(self, state: Mapping[str, Any], source: str) -> None:
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(f"{source}: belongs to another model: {error}") from error
        self.scheduler.load_state_dict(state["scheduler"])
        self.fabric.strategy.precision.load_state_dict(state["scaler"])
        self.losses = list(state["losses"])
        self.epoch = self.first_epoch + len(self.losses)
        self._progress.load_state(state["processes"][self.fabric.global_rank])

    def _step_done(self, batches: int, windows: int, total: float) -> None:
        """Note how far the epoch is, after a step of the optimizer; see :class:`WithinEpoch`."""
        self._progress.within = WithinEpoch(batches, windows, total)
        self._tell_progress()

    def _tell_progress(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self)

    def _settings(self) -> dict[str, Any]:
        """What a checkpoint belongs to, as JSON types."""
        model = self.experiment.model.synthetic
        training = self.experiment.trainer_params.synthetic.model_dump(mode="json")
        held_out = {"val_sim", "test_sim"}  # no training sees them
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
        kind, first = self.experiment.trainer_params.synthetic.scheduler, self.first_epoch
        return LambdaLR(
            self.optimizer, lambda epoch: rate_factor(kind, self.share_done(first + epoch))
        )

    def _stops(self, loss: float, on_epoch_end: EpochCallback | None) -> bool:
        """What the callback says, in all processes."""
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
                "together; give the loader an EpochSampler, which hands each its share"
            )
        set_shard(self.fabric.global_rank, self.fabric.world_size)

    def _set_epoch(self, data_source: DataLoader) -> None:
        for name in ("dataset", "sampler", "batch_sampler"):
            set_epoch = getattr(getattr(data_source, name, None), "set_epoch", None)
            if set_epoch is not None:
                set_epoch(self.epoch)
