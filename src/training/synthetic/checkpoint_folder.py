"""Where an interrupted training finds its last checkpoint."""

import csv
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from src.data.atomic import atomic_path
from src.errors import CheckpointError
from src.training.checkpoint import digest
from src.training.synthetic.best_weights import BestWeights
from src.training.tensor_trainer import TensorTrainer

Row = dict[str, Any]


class CheckpointFolder:
    """A folder for one training, named by the digest of all that decides its result.

    As a context manager it holds a lock, so that no second process trains the same; it stays after
    an error and goes with :meth:`remove`.

    Args:
        root: Folder of all checkpoints.
        identity: Settings, code and inputs of the training, as JSON types.
        every_s: Least time between two checkpoints [s].
    """

    def __init__(self, root: Path, identity: Mapping[str, Any], every_s: float) -> None:
        self.directory = root / digest(identity)[:16]
        self._every_s = every_s
        self._last = time.monotonic()
        self._lock = FileLock(root / f"{self.directory.name}.lock")

    def __enter__(self) -> "CheckpointFolder":
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=1)
        except Timeout:
            raise CheckpointError(
                f"{self.directory}: another process trains this; wait for it, or end it"
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    def resume(self, trainer: TensorTrainer, best: BestWeights) -> list[Row]:
        """Bring trainer and best weights to the last checkpoint, if there is one.

        Returns:
            The history up to there.
        """
        path = self.directory / "trainer.pt"
        if not path.exists():
            return []
        trainer.load_checkpoint(path)
        best.load(self.directory / "best.pt", trainer.epoch)
        rows = read_rows(self.directory / "history.csv")
        return [row for row in rows if row["epoch"] <= trainer.epoch]

    def save(self, trainer: TensorTrainer, best: BestWeights, history: list[Row]) -> None:
        """Save a checkpoint if the last one is old enough."""
        if time.monotonic() - self._last >= self._every_s:
            # the trainer last: what is newer than its checkpoint is left out on resuming
            write_history(self.directory / "history.csv", history)
            best.save(self.directory / "best.pt")
            trainer.save_checkpoint(self.directory / "trainer.pt")
            self._last = time.monotonic()

    def remove(self) -> None:
        """Delete the checkpoints of a training whose result is written."""
        shutil.rmtree(self.directory, ignore_errors=True)


def write_history(path: Path, rows: list[Row]) -> None:
    """Write one row an epoch or iteration as CSV, atomically."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def read_history(path: Path) -> list[Row]:
    """The rows of a history as text."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_rows(path: Path) -> list[Row]:
    """The rows of a training's history as the numbers that they were written from."""
    return [{name: _number(cell) for name, cell in row.items()} for row in read_history(path)]


def _number(cell: str) -> int | float | None:
    """What a cell of a training's history was written from."""
    if not cell:
        return None
    return int(cell) if cell.isdecimal() else float(cell)
