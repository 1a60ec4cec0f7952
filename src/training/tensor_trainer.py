"""The training loop of models on tensors; what an epoch does is left to subclasses."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from src.config import Experiment
from src.errors import CheckpointError
from src.training.abstract_trainer import AbstractTrainer
from src.training.checkpoint import (
    load_checkpoint,
    random_states,
    restore_random_states,
    save_checkpoint,
)
from src.training.epoch_sampler import epoch_seed

LOWEST_RATE = 0.01  # share of the learning rate that a cosine schedule ends with, and stays at

EpochCallback = Callable[[int, float, "TensorTrainer"], bool | None]


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

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
        model: Module to train, in place.

    Attributes:
        model: The module that was passed.
        optimizer: Optimizer of its parameters, made by :meth:`_create_optimizer`.
        scheduler: Schedule of the learning rate, stepped after each epoch.
        device: Where the model lies: a GPU if PyTorch sees one, else the CPU.
        epoch: Number of epochs done, also before a checkpoint was loaded.
        losses: Training loss of each of them.
    """

    def __init__(self, config: Mapping[str, Any] | Experiment, model: torch.nn.Module) -> None:
        super().__init__(config)
        # naming the environment keeps Fabric from taking a batch job for one of many processes
        self.fabric = Fabric(accelerator="auto", devices=1, plugins=[LightningEnvironment()])
        self.model = model.to(self.fabric.device)
        self.optimizer = self._create_optimizer()
        self.scheduler = self._create_scheduler()
        self._wrapped, self._wrapped_optimizer = self.fabric.setup(model, self.optimizer)
        self.epoch = 0
        self.losses: list[float] = []

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.fabric.device

    @abstractmethod
    def _create_optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of ``self.model``; called once, when the trainer is made."""

    @abstractmethod
    def _train_epoch_with_data(self, data_source: DataLoader) -> float:
        """One pass over the data; returns the mean loss."""

    def train(
        self,
        data_source: DataLoader,
        num_epochs: int,
        on_epoch_end: EpochCallback | None = None,
    ) -> TrainingResult:
        """Train for ``num_epochs`` epochs more.

        Args:
            data_source: Batches to train on. If its data set, its sampler or its batch sampler has
                ``set_epoch``, that is called with the epoch's number (from 0) before each epoch.
            num_epochs: Epochs in addition to those done before.
            on_epoch_end: Called as ``on_epoch_end(epoch, loss, trainer)`` after each epoch with
                the number of epochs done so far and the epoch's training loss; a true result ends
                the training. Validation and early stopping come in here.

        Raises:
            DivergenceError: if the loss is no longer finite.
        """
        if num_epochs < 0:
            raise ValueError(f"num_epochs: {num_epochs}: must not be negative")
        first = self.epoch
        for _ in range(num_epochs):
            self._set_epoch(data_source)
            self.model.train()
            with self._seeded_epoch():
                loss = self._train_epoch_with_data(data_source)
            self.scheduler.step()
            self.epoch += 1
            self.losses.append(loss)
            if on_epoch_end is not None and on_epoch_end(self.epoch, loss, self):
                break
        losses = self.losses[first:]
        return TrainingResult(
            train_losses=losses,
            final_loss=losses[-1] if losses else math.nan,
            num_epochs=len(losses),
            best_epoch=first + 1 + losses.index(min(losses)) if losses else None,
        )

    def save_checkpoint(self, path: str | Path) -> None:
        """Write model, optimizer, schedule, epochs and random states to a file, atomically."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "losses": self.losses,
            "random": random_states(),
        }
        save_checkpoint(path, state, settings=self._settings())

    def load_checkpoint(self, path: str | Path) -> None:
        """Go on from a checkpoint as if the training had not been interrupted.

        Raises:
            CheckpointError: if the file is damaged, or belongs to other settings or another model.
        """
        state = load_checkpoint(path, settings=self._settings())
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(f"{path}: belongs to another model: {error}") from error
        self.scheduler.load_state_dict(state["scheduler"])
        self.losses = list(state["losses"])
        self.epoch = len(self.losses)
        restore_random_states(state["random"])

    def _settings(self) -> dict[str, Any]:
        """What a checkpoint belongs to, as JSON types."""
        model = self.experiment.model.synthetic
        training = self.experiment.trainer_params.synthetic.model_dump(mode="json")
        held_out = {"val_sim", "test_sim"}  # no training sees them
        return {
            "run_params.seed": self.experiment.run_params.seed,
            "model.synthetic": None if model is None else model.model_dump(mode="json"),
            **{
                f"trainer_params.{key}": value
                for key, value in training.items()
                if key not in held_out
            },
        }

    def _create_scheduler(self) -> LambdaLR:
        training = self.experiment.trainer_params.synthetic

        def cosine(epoch: int) -> float:
            progress = min(1.0, epoch / training.epochs)
            return LOWEST_RATE + (1 - LOWEST_RATE) * (1 + math.cos(math.pi * progress)) / 2

        constant = training.scheduler == "constant"
        return LambdaLR(self.optimizer, (lambda epoch: 1.0) if constant else cosine)

    def _set_epoch(self, data_source: DataLoader) -> None:
        for name in ("dataset", "sampler", "batch_sampler"):
            set_epoch = getattr(getattr(data_source, name, None), "set_epoch", None)
            if set_epoch is not None:
                set_epoch(self.epoch)

    @contextmanager
    def _seeded_epoch(self) -> Iterator[None]:
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(epoch_seed(self.experiment.run_params.seed, self.epoch))
            yield
