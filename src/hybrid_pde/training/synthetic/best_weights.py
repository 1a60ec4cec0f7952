"""Weights with the smallest validation error of a training."""

import math
from collections.abc import Mapping
from typing import Any

import torch


class BestWeights:
    """A copy of the best weights so far.

    Attributes:
        epoch: Number of completed epochs at that time; ``None`` without weights.
        error: Their validation error.
    """

    def __init__(self) -> None:
        self.epoch: int | None = None
        self.error = math.inf
        self._weights: dict[str, torch.Tensor] = {}

    def update(self, epoch: int, error: float | None, model: torch.nn.Module) -> None:
        """Copy the weights of the model if their error is smaller than all before."""
        if error is None or not error < self.error:
            return
        self.epoch, self.error = epoch, error
        self._weights = {
            name: value.detach().cpu().clone() for name, value in model.state_dict().items()
        }

    def restore(self, model: torch.nn.Module) -> None:
        """Set the model to the best weights, if any."""
        if self._weights:
            model.load_state_dict(self._weights)

    def state(self) -> dict[str, Any]:
        """The state, as tensors and plain types."""
        return {"epoch": self.epoch, "error": self.error, "weights": self._weights}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore the result of :meth:`state`."""
        self.epoch, self.error, self._weights = state["epoch"], state["error"], state["weights"]
