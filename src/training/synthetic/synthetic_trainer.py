"""Training of a surrogate on rollouts.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y Z`` space; a batch is an input
``[B, C_in, *space]`` with targets ``[B, T, C_out, *space]``.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader

from src.config import Experiment
from src.errors import DivergenceError
from src.models.synthetic.synthetic_model import SyntheticModel
from src.training.tensor_trainer import TensorTrainer


class SyntheticTrainer(TensorTrainer):
    """Minimises the mean squared error of rollouts, in units of the data's standard deviation.

    loss = mean over windows, steps, channels and points of ((rollout − target) / σ)², with as many
    steps as the targets have and the gradient taken through the whole rollout. σ is the model's
    ``output_std``; a model whose normalisation was not set has σ = 1.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
        model: Surrogate to train, in place.
    """

    model: SyntheticModel

    def __init__(self, config: Mapping[str, Any] | Experiment, model: SyntheticModel) -> None:
        super().__init__(config, model)
        self._wrapped.mark_forward_method("rollout")

    def loss(self, state: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Loss of one batch, a scalar."""
        predictions = self._wrapped.rollout(state, targets.shape[1])
        scale = self.model.output_std().view(-1, *(1,) * self.model.spatial_dims)
        return ((predictions - targets) / scale).square().mean()

    def _create_optimizer(self) -> torch.optim.Optimizer:
        training = self.experiment.trainer_params.synthetic
        return torch.optim.AdamW(
            self.model.parameters(),
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
        )

    def _train_epoch_with_data(self, data_source: DataLoader) -> float:
        total, windows = 0.0, 0
        for position, batch in enumerate(data_source):
            state, targets = (part.to(self.device) for part in batch[:2])
            self.optimizer.zero_grad()
            loss = self.loss(state, targets)
            self._check_finite("loss", loss, position)
            self.fabric.backward(loss)
            self._check_finite("gradient", self._clip_gradient(), position)
            self._wrapped_optimizer.step()
            total += loss.item() * len(state)
            windows += len(state)
        if windows == 0:
            raise ValueError("the data source has no batch; it needs at least one window")
        return total / windows

    def _clip_gradient(self) -> torch.Tensor:
        """Limit the gradient's norm; returns what it was."""
        limit = self.experiment.trainer_params.synthetic.gradient_clip
        norm = self.fabric.clip_gradients(
            self._wrapped,
            self._wrapped_optimizer,
            max_norm=math.inf if limit is None else limit,
            error_if_nonfinite=False,
        )
        assert norm is not None  # it is only None when values are clipped instead
        return norm

    def _check_finite(self, what: str, value: torch.Tensor, position: int) -> None:
        if torch.isfinite(value):
            return
        raise DivergenceError(
            f"epoch {self.epoch + 1}, batch {position + 1}: the {what} is {value.item()}; choose a "
            "smaller trainer_params.learning_rate "
            f"({self.optimizer.param_groups[0]['lr']:.3g} in this epoch) or num_predict_steps, "
            "and see that the data are finite"
        )
