"""Checkpoint folders: writing, reading and pruning the checkpoints of one training."""

import contextlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from hybrid_pde.data.atomic import disk_reason, sha256_of
from hybrid_pde.errors import CheckpointError, StorageError
from hybrid_pde.models.tensor_file import read_tensor_file, write_tensor_file
from hybrid_pde.training.checkpoint import digest
from hybrid_pde.training.finished_checkpoints import (
    FINISHED,
    FINISHED_TEXT,
    NUMBERED,
    UNFINISHED,
)

_KIND = "checkpoint"
# Early checkpoints take at most this fraction of the run time.
_LARGEST_TIME_FRACTION = 0.05

logger = logging.getLogger(__name__)


class CheckpointFolder:
    """The checkpoints of one training, in a folder named by the digest of its identity.

    As a context manager it holds a lock against a second process with the same training. The folder
    is outside the outputs of the stage, which Snakemake deletes when a job fails.
    :func:`remove_finished_checkpoints` removes it after :meth:`finish`. File names have a number
    and the digest of the content.

    Args:
        root: Folder of all checkpoints.
        identity: Everything that determines the result (settings, code, inputs), as JSON types.
        every_s: Longest time between two checkpoints [s].
    """

    def __init__(self, root: Path, identity: Mapping[str, Any], every_s: float) -> None:
        self.directory = root / digest(identity)[:16]
        self._every_s = every_s
        self._last, self._took = time.monotonic(), 0.0
        self._lock = FileLock(root / f"{self.directory.name}.lock")

    def __enter__(self) -> "CheckpointFolder":
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=1)
        except Timeout:
            raise CheckpointError(
                f"{self.directory}: another process runs this training; wait for it, or stop it"
            ) from None
        except OSError as error:
            reason = disk_reason(error) or error.strerror or str(error)
            raise StorageError(f"{self.directory}: cannot be locked: {reason}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    def is_due(self, at_good_place: bool = False) -> bool:
        """True if a checkpoint is due.

        Args:
            at_good_place: Whether resuming here is cheap, as after an epoch; a checkpoint is then
                due earlier, as long as saving takes a small fraction of the time.
        """
        wait = (
            min(self._every_s, self._took / _LARGEST_TIME_FRACTION)
            if at_good_place
            else self._every_s
        )
        return time.monotonic() - self._last >= wait

    def save(self, content: Mapping[str, Any], keep: int | None = None) -> None:
        """Write the next file, atomically.

        Args:
            content: Tensors and plain types.
            keep: Number of files to keep; by default all.
        """
        since = time.monotonic()
        found = self._files()
        number = int(found[-1].name[:8]) + 1 if found else 1
        written = self.directory / UNFINISHED
        write_tensor_file(written, _KIND, {"content": dict(content)})
        name = f"{number:08d}_{sha256_of(written)[:16]}.pt"
        found.append(written.rename(self.directory / name))
        for path in found[:-keep] if keep else []:
            path.unlink(missing_ok=True)
        self._last = time.monotonic()
        self._took = self._last - since

    def last(self) -> dict[str, Any] | None:
        """The newest undamaged checkpoint, if any."""
        for path in reversed(self._files()):
            content = _content(path)
            if content is not None:
                return content
        return None

    def all(self) -> list[dict[str, Any]]:
        """All checkpoints in order, up to the first missing or damaged one."""
        result: list[dict[str, Any]] = []
        for number, path in enumerate(self._files(), 1):
            content = _content(path) if int(path.name[:8]) == number else None
            if content is None:
                break
            result.append(content)
        return result

    def truncate(self, kept: int) -> None:
        """Delete all but the first ``kept`` files."""
        for path in self._files()[kept:]:
            path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Mark the training as finished, so that its checkpoints can be removed."""
        with contextlib.suppress(OSError):  # the result is already written
            (self.directory / FINISHED).write_text(FINISHED_TEXT, "utf-8")

    def _files(self) -> list[Path]:
        return sorted(path for path in self.directory.glob("*.pt") if NUMBERED.fullmatch(path.name))


def _content(path: Path) -> dict[str, Any] | None:
    """Content of a file; ``None``, with a warning, if it is damaged."""
    match = NUMBERED.fullmatch(path.name)
    assert match is not None
    try:
        if sha256_of(path)[:16] != match[2]:
            raise CheckpointError(f"{path}: damaged")
        return read_tensor_file(path, _KIND)["content"]
    except (CheckpointError, OSError) as error:
        logger.warning("%s; resuming from the previous checkpoint", error)
        return None
