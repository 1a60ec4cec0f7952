"""Trainer of neural surrogates on rollouts.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y Z`` space; a batch is an input
``[B, C_in, *space]`` with targets ``[B, T, C_out, *space]``, optionally
with weights of the same shape.
"""

import math
import random
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader

from hybrid_pde.config import Experiment
from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.training.eager_optimizers import AdamW
from hybrid_pde.training.synthetic.collectives import mean_over_processes
from hybrid_pde.training.synthetic.schedules import rollout_steps
from hybrid_pde.training.synthetic.single_process import SingleProcess
from hybrid_pde.training.synthetic.step_losses import NotFinite, StepLosses
from hybrid_pde.training.synthetic.tensor_trainer import TensorTrainer

Batch = tuple[torch.Tensor, ...]


class SyntheticTrainer(TensorTrainer):
    """Minimises the mean squared error of rollouts, in units of the data's standard deviation.

    loss = Σ w ((rollout − target) / σ)² / Σ w over windows, steps, channels and points, with
    w = 1 for a batch without weights. The gradient is taken through the whole rollout. σ is the
    ``output_std`` of the model; σ = 1 if its normalisation was not set.

    ``curriculum`` limits the number of rollout steps, ``pushforward`` excludes the first steps from
    the gradient (Brandstetter et al. 2022, "Message Passing Neural PDE Solvers", section 3.1), and
    ``input_noise`` adds noise to the initial state (Sanchez-Gonzalez et al. 2020, "Learning to
    Simulate Complex Physics with Graph Networks").

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
        model: Surrogate to train, in place.
        cycle: See :class:`TensorTrainer`.

    Attributes:
        steps: Number of rollout steps in the last epoch.
    """

    model: SyntheticModel

    def __init__(
        self,
        config: Mapping[str, Any] | Experiment,
        model: SyntheticModel,
        *,
        cycle: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__(config, model, cycle=cycle)
        self.steps = self.training.num_predict_steps
        if self._is_wrapped:
            self._wrapped.mark_forward_method("rollout")
        if self.training.compile:
            # in place, so that the names of the weights do not change
            self.model.network.compile()

    def loss(
        self,
        state: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None = None,
        *,
        pushed: int = 0,
    ) -> torch.Tensor:
        """Loss of one batch, a scalar.

        Args:
            state: ``[B, C_in, *space]``.
            targets: ``[B, T, C_out, *space]``; values of weight 0 are ignored and may be NaN.
            weights: Like ``targets``, 0 or more.
            pushed: Number of first steps, less than T, without gradient and without errors.
        """
        with self.fabric.autocast():
            if pushed:
                with torch.no_grad():
                    output = self.model.rollout(state, pushed)[:, -1]
                    state = self.model.next_input(state, output.to(state.dtype))
                targets = targets[:, pushed:]
            predictions = self._wrapped.rollout(state, targets.shape[1])
        scale = self.model.output_std().view(-1, *(1,) * self.model.spatial_dims)
        if weights is None:
            return ((predictions - targets) / scale).square().mean()
        weights = weights[:, pushed:]
        # before the square, so that NaN in hidden values gives no NaN gradient
        errors = torch.where(weights > 0, predictions - targets, 0) / scale
        # divided by the mean over processes, so that the mean gradient is that of the global loss
        total = mean_over_processes(self.fabric, weights.sum())
        return (weights * errors.square()).sum() / total.clamp_min(torch.finfo(total.dtype).tiny)

    def _create_optimizer(self) -> torch.optim.Optimizer:
        training = self.training
        parameters = list(self.model.parameters())
        # one kernel for all weights; it has none for complex ones, nor for gradients in half
        # precision that are clipped
        is_fused = training.precision != "fp16" and all(p.is_floating_point() for p in parameters)
        return AdamW(
            parameters,
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            fused=is_fused or None,
        )

    def _train_epoch_with_data(self, data_source: DataLoader) -> float:
        done = self.within_epoch
        steps = StepLosses(self.device, done.total, done.windows)
        position = done.batches
        for group in _groups(self._progress.batches_left(data_source), self.training.accumulate):
            self.optimizer.zero_grad()
            for number, batch in enumerate(group, 1):
                waits = number < len(group)
                with self._without_exchange(waits):
                    loss = self._batch_loss(batch, position)
                    self.fabric.backward(loss / len(group) if len(group) > 1 else loss)
                position += 1
                steps.add(position, loss.detach(), len(batch[0]))
            # fp16 loss scaling skips steps with infinite gradients
            norm = self._clip_gradient()
            steps.add_norm(None if self.training.precision == "fp16" else norm)
            is_last = position >= len(data_source)
            if steps.is_due or is_last:
                self._check_finite(steps.check())
            self._wrapped_optimizer.step()
            if steps.is_checked and not is_last:
                self._step_done(position, steps.windows, steps.total)
        if steps.windows == 0:
            raise ValueError("the data source has no batches; it needs at least one window")
        # all processes have the same number of windows
        mean = torch.tensor(steps.total / steps.windows, dtype=torch.float64)
        return mean_over_processes(self.fabric, mean).item()

    def _without_exchange(self, waits: bool) -> AbstractContextManager[None]:
        """Context in which processes do not average their gradients, if ``waits``."""
        if not (waits and self._is_wrapped) or isinstance(self.fabric, SingleProcess):
            return nullcontext()
        return self.fabric.no_backward_sync(self._wrapped)

    def _batch_loss(self, batch: Batch, position: int) -> torch.Tensor:
        """Loss of one batch with curriculum, pushforward and input noise."""
        state, targets, *weights = (part.to(self.device) for part in batch)
        done = self.share_done(self.epoch)
        self.steps = rollout_steps(self.training.curriculum, targets.shape[1], done)
        shortened = [part[:, : self.steps] for part in (targets, *weights)]
        pushed = self._pushed(position, self.steps)
        return self.loss(self._noisy(state), *shortened, pushed=pushed)

    def _noisy(self, state: torch.Tensor) -> torch.Tensor:
        """The initial state with noise on the predicted fields."""
        if not self.training.input_noise:
            return state
        predicted = self.model.predicted_part(state)
        scale = self.model.increment_std.view(-1, *(1,) * self.model.spatial_dims)
        noise = self.training.input_noise * scale * torch.randn_like(predicted)
        return self.model.next_input(state, predicted + noise)

    def _pushed(self, position: int, steps: int) -> int:
        """Number of steps without gradient, the same in all processes."""
        if not self.training.pushforward:
            return 0
        draw = random.Random(f"pushforward/{self.seed}/{self.epoch}/{position}")
        return draw.randint(0, min(self.training.pushforward, steps - 1))

    def _clip_gradient(self) -> torch.Tensor:
        """Clip the gradient; returns its norm before clipping."""
        limit = self.training.gradient_clip
        norm = self.fabric.clip_gradients(
            self._wrapped,
            self._wrapped_optimizer,
            max_norm=math.inf if limit is None else limit,
            error_if_nonfinite=False,
        )
        assert norm is not None  # None only for clipping by value
        return norm

    def _check_finite(self, found: NotFinite | None) -> None:
        if found is None:
            return
        raise DivergenceError(
            f"epoch {self.epoch + 1}, batch {found.batch}: the {found.what} is {found.value}; "
            "choose a smaller trainer_params.learning_rate "
            f"({self.optimizer.param_groups[0]['lr']:.3g} in this epoch) or num_predict_steps, "
            "and check that the data are finite"
        )


def _groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """The batches in groups of ``size``; the last group may be smaller."""
    while group := list(islice(batches, size)):
        yield group
