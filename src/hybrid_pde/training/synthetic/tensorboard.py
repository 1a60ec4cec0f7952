"""TensorBoard output of the training history."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hybrid_pde.errors import ConfigError


class Scalars:
    """Writes the columns of a history as TensorBoard scalars, one step an epoch.

    Args:
        folder: Folder for ``tensorboard --logdir``; existing data are continued.
        epoch: Number of completed epochs; data of later epochs are removed.

    Raises:
        ConfigError: if TensorBoard is not installed.
    """

    def __init__(self, folder: Path, epoch: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "workflow.tensorboard: true: the package 'tensorboard' is not installed; install "
                "it, or remove the key (history.csv has the same numbers)"
            ) from error
        self._writer = SummaryWriter(str(folder), purge_step=epoch + 1)

    def write(self, row: Mapping[str, Any]) -> None:
        """Add the numbers of an epoch; missing ones are skipped."""
        for name, value in row.items():
            if name != "epoch" and value is not None:
                self._writer.add_scalar(name, value, row["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
