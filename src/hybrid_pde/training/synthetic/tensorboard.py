"""A training's history as TensorBoard shows it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hybrid_pde.errors import ConfigError


class Scalars:
    """Writes the columns of a history as TensorBoard scalars, one step an epoch.

    Args:
        folder: Where ``tensorboard --logdir`` looks; what a training left there goes on.
        epoch: Number of epochs done; what is there of later ones is dropped.

    Raises:
        ConfigError: if TensorBoard is not installed.
    """

    def __init__(self, folder: Path, epoch: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "workflow.tensorboard: true: the package 'tensorboard' is not installed; install "
                "it, or leave the key out (history.csv has the same numbers)"
            ) from error
        self._writer = SummaryWriter(str(folder), purge_step=epoch + 1)

    def write(self, row: Mapping[str, Any]) -> None:
        """Add an epoch: its numbers, without those that it lacks."""
        for name, value in row.items():
            if name != "epoch" and value is not None:
                self._writer.add_scalar(name, value, row["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
