"""Base class of trainers for models on PhiFlow fields."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from phi.torch.flow import Field

from hybrid_pde.config import Experiment
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.abstract_trainer import AbstractTrainer

# a pair (initial fields, target fields): {name: Field} and {name: [Field, …]}
Sample = Any


class FieldTrainer(AbstractTrainer, ABC):
    """Base class for training model parameters on pairs of initial and target fields.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
        model: The model to train.
        learnable_params: Initial values of the learnable parameters, PhiML tensors or torch
            parameters.

    Attributes:
        model: The model; after :meth:`train` it has the estimated parameters.
        optimizer: Torch optimizer, kept across calls of :meth:`train`; ``None`` for methods
            without one.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | Experiment,
        model: PhysicalModel,
        learnable_params: Sequence[Any],
    ) -> None:
        super().__init__(config)
        self.model = model
        self.learnable_params = list(learnable_params)
        self.epoch = 0
        self.optimizer: torch.optim.Optimizer | None = None

    def train(self, data_source: Iterable[Sample], num_epochs: int) -> dict[str, Any]:
        """Pass over the samples ``num_epochs`` times.

        Args:
            data_source: Pairs ``({name: Field}, {name: [Field, …]})``.
            num_epochs: Number of passes, in addition to earlier calls.

        Returns:
            ``train_losses`` (one per epoch), ``final_loss`` and ``num_epochs``.
        """
        samples = self._prepare(data_source)
        if self.optimizer is None:
            self.optimizer = self._create_optimizer()
        losses = []
        for _ in range(num_epochs):
            losses.append(self._train_epoch(samples))
            self.epoch += 1
        return {
            "train_losses": losses,
            "final_loss": losses[-1] if losses else None,
            "num_epochs": len(losses),
        }

    def _prepare(self, data_source: Iterable[Sample]) -> Iterable[Sample]:
        """Prepare the samples before the first step; by default, a list."""
        return list(data_source)

    def _train_epoch(self, samples: Iterable[Sample]) -> float:
        losses = [self._train_sample(initial, targets) for initial, targets in samples]
        return sum(losses) / len(losses)

    @abstractmethod
    def _train_sample(
        self, initial_fields: Mapping[str, Field], target_fields: Mapping[str, Sequence[Field]]
    ) -> float:
        """One step on one sample; returns its loss."""

    @abstractmethod
    def _create_optimizer(self) -> torch.optim.Optimizer | None:
        """Create the optimizer of the learnable parameters."""
