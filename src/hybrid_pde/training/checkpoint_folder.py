"""Where an interrupted training leaves what it has done."""

import contextlib
import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.errors import CheckpointError
from hybrid_pde.models.tensor_file import read_tensor_file, write_tensor_file
from hybrid_pde.training.checkpoint import digest
from hybrid_pde.training.finished_checkpoints import FINISHED

_NAME = re.compile(r"(\d{8})_([0-9a-f]{16})\.pt")
_KIND = "checkpoint"
_NEW = "new.pt"
# Checkpoints before their time take no more than this share of it.
_SHARE = 0.05

logger = logging.getLogger(__name__)


class CheckpointFolder:
    """A folder for one training, named by the digest of all that decides its result.

    As a context manager it holds a lock, so that no second process trains the same; the folder
    stays, and :func:`remove_finished_checkpoints` removes it after :meth:`finish`. It lies outside
    the outputs of its stage, which Snakemake deletes when a job fails. The files are numbered, and
    named by a digest of what is in them.

    Args:
        root: Folder of all checkpoints.
        identity: Settings, code and inputs of the training, as JSON types.
        every_s: Longest time between two checkpoints [s].
    """

    def __init__(self, root: Path, identity: Mapping[str, Any], every_s: float) -> None:
        self.directory = root / digest(identity)[:16]
        self._every_s = every_s
        self._last, self._took = time.monotonic(), 0.0
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

    def is_due(self, at_good_place: bool = False) -> bool:
        """Whether it is time for a checkpoint.

        Args:
            at_good_place: Where going on costs least, as after an epoch: there it is time whenever
                saving takes a small share of the time.
        """
        wait = min(self._every_s, self._took / _SHARE) if at_good_place else self._every_s
        return time.monotonic() - self._last >= wait

    def save(self, content: Mapping[str, Any], keep: int | None = None) -> None:
        """Write the next file, atomically.

        Args:
            content: Tensors and plain types.
            keep: How many of the last files stay; by default all.
        """
        since = time.monotonic()
        found = self._files()
        number = int(found[-1].name[:8]) + 1 if found else 1
        written = self.directory / _NEW
        write_tensor_file(written, _KIND, {"content": dict(content)})
        name = f"{number:08d}_{sha256_of(written)[:16]}.pt"
        found.append(written.rename(self.directory / name))
        for path in found[:-keep] if keep else []:
            path.unlink(missing_ok=True)
        self._last = time.monotonic()
        self._took = self._last - since

    def last(self) -> dict[str, Any] | None:
        """The newest checkpoint that is whole, if there is one."""
        for path in reversed(self._files()):
            content = _content(path)
            if content is not None:
                return content
        return None

    def all(self) -> list[dict[str, Any]]:
        """All checkpoints in their order, up to the first one that is missing or damaged."""
        result: list[dict[str, Any]] = []
        for number, path in enumerate(self._files(), 1):
            content = _content(path) if int(path.name[:8]) == number else None
            if content is None:
                break
            result.append(content)
        return result

    def forget(self, kept: int) -> None:
        """Delete all but the first ``kept`` files."""
        for path in self._files()[kept:]:
            path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Note that the result is written; the checkpoints may go now, and stay until then."""
        with contextlib.suppress(OSError):  # the result is what counts
            (self.directory / FINISHED).touch()

    def _files(self) -> list[Path]:
        return sorted(path for path in self.directory.glob("*.pt") if _NAME.fullmatch(path.name))


def _content(path: Path) -> dict[str, Any] | None:
    """What a file holds; ``None``, with a warning, if that is not what was written."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    try:
        if sha256_of(path)[:16] != match[2]:
            raise CheckpointError(f"{path}: damaged")
        return read_tensor_file(path, _KIND)["content"]
    except (CheckpointError, OSError) as error:
        logger.warning("%s; going on from the checkpoint before it", error)
        return None
