"""The weights with the smallest validation error of a training."""

import math
from pathlib import Path

import torch

from src.models.tensor_file import read_tensor_file, write_tensor_file

_KIND = "best weights"


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
        self._is_written = True

    def offer(self, epoch: int, error: float | None, model: torch.nn.Module) -> None:
        """Take over the model's weights if their error is the smallest; the earliest of equals."""
        if error is None or not error < self.error:
            return
        self.epoch, self.error = epoch, error
        self._weights = {
            name: value.detach().cpu().clone() for name, value in model.state_dict().items()
        }
        self._is_written = False

    def restore(self, model: torch.nn.Module) -> None:
        """Give the model these weights, if there are any."""
        if self._weights:
            model.load_state_dict(self._weights)

    def save(self, path: Path) -> None:
        """Write them, atomically, unless they are there already."""
        if not self._is_written:
            content = {"epoch": self.epoch, "error": self.error, "weights": self._weights}
            write_tensor_file(path, _KIND, content)
            self._is_written = True

    def load(self, path: Path, last_epoch: int) -> None:
        """Take what :meth:`save` wrote.

        Those of a later epoch than a training resumes from are left: it comes by them again, and
        none before was better.

        Args:
            path: The file; without it nothing is taken.
            last_epoch: Number of epochs that have been done.
        """
        if not path.exists():
            return
        content = read_tensor_file(path, _KIND)
        if content["epoch"] <= last_epoch:
            self.epoch, self.error = content["epoch"], content["error"]
            self._weights = content["weights"]
