"""The weights with the smallest validation error of a training."""

import math
from collections.abc import Mapping
from typing import Any

import torch


class BestWeights:
    """Holds a copy of the weights that were best so far.

    Attributes:
        epoch: Number of epochs that had been done; ``None`` before the first.
        error: Their error.
    """

    def __init__(self) -> None:
        self.epoch: int | None = None
        self.error = math.inf
        self._weights: dict[str, torch.Tensor] = {}

    def offer(self, epoch: int, error: float | None, model: torch.nn.Module) -> None:
        """Take over the model's weights if their error is the smallest; the earliest of equals."""
        if error is None or not error < self.error:
            return
        self.epoch, self.error = epoch, error
        self._weights = {
            name: value.detach().cpu().clone() for name, value in model.state_dict().items()
        }

    def restore(self, model: torch.nn.Module) -> None:
        """Give the model these weights, if there are any."""
        if self._weights:
            model.load_state_dict(self._weights)

    def state(self) -> dict[str, Any]:
        """What :meth:`load_state` takes: tensors and plain types."""
        return {"epoch": self.epoch, "error": self.error, "weights": self._weights}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take what :meth:`state` gave."""
        self.epoch, self.error, self._weights = state["epoch"], state["error"], state["weights"]
