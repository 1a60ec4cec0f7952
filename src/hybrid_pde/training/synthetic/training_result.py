"""Result of training a model on tensors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingResult:
    """Result of :meth:`TensorTrainer.train_epochs`.

    Attributes:
        train_losses: Loss of each epoch of this call.
        first_epoch: Number of epochs that were completed before.
    """

    train_losses: Sequence[float]
    first_epoch: int = 0

    @property
    def num_epochs(self) -> int:
        """Number of epochs of this call."""
        return len(self.train_losses)

    @property
    def final_loss(self) -> float:
        """Loss of the last epoch; NaN without epochs."""
        return self.train_losses[-1] if self.train_losses else math.nan

    @property
    def best_epoch(self) -> int | None:
        """Epoch of the smallest loss, counted over all calls; ``None`` without epochs."""
        if not self.train_losses:
            return None
        return self.first_epoch + 1 + self.train_losses.index(min(self.train_losses))

    def to_mapping(self) -> dict[str, Any]:
        """The result as users get it."""
        return {
            "train_losses": list(self.train_losses),
            "final_loss": self.final_loss,
            "num_epochs": self.num_epochs,
            "best_epoch": self.best_epoch,
        }
