"""Digests of raw files, stored with size and time so that unchanged files are hashed once."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from hybrid_pde.data.atomic import write_json
from hybrid_pde.data.cache.background_digest import BackgroundDigest
from hybrid_pde.data.raw_files.guards import errors_name_file
from hybrid_pde.data.raw_files.stored_parts import ABSENT, digest_of, status_of
from hybrid_pde.domain.small_file import MIB, read_small_text
from hybrid_pde.errors import RawDataError

logger = logging.getLogger(__name__)

NAME = "sources.json"
MAX_INDEX_BYTES = 256 * MIB  # of a million files

_Status = tuple[int, int]  # size [bytes], time of the last change [ns]


class SourceDigests:
    """The digests of a data set's raw files.

    They are stored beside the cached simulations, not in them: a raw file that was only copied or
    touched leaves the cached simulations unchanged, byte for byte.

    Args:
        directory: The cache folder that stores them; if it cannot be written, they last as long as
            this process.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._known = self._load()
        self._begun: dict[tuple[str, _Status], BackgroundDigest] = {}
        self._is_new = False

    def begin(self, raw_file: Path) -> Callable[[], str]:
        """Start to compute the digest of a raw file as it is now, while it is read.

        Returns:
            Waits for the digest; raises the errors of :meth:`digest`.

        Raises:
            RawDataError: if there is no such file.
        """
        before = _status(raw_file)
        stored = self._stored(raw_file, before)
        if stored is not None:
            return lambda: stored
        key = raw_file.name, before
        if key not in self._begun:
            self._begun = {key: BackgroundDigest(lambda: _digest_of(raw_file, before))}
        begun = self._begun[key]

        def wait() -> str:
            digest = begun.result()
            self._store(raw_file, before, digest)
            return digest

        return wait

    def digest(self, raw_file: Path) -> str:
        """SHA-256 of a raw file with all its parts.

        Raises:
            RawDataError: if it cannot be read, or changes while it is read.
        """
        before = _status(raw_file)
        digest = self._stored(raw_file, before)
        if digest is None:
            digest = _digest_of(raw_file, before)
            self._store(raw_file, before, digest)
        return digest

    def _stored(self, raw_file: Path, status: _Status) -> str | None:
        size, mtime_ns, digest = self._known.get(raw_file.name, (-1, -1, ""))
        return digest if (size, mtime_ns) == status else None

    def _store(self, raw_file: Path, status: tuple[int, int], digest: str) -> None:
        self._known[raw_file.name] = (*status, digest)
        self._is_new = True

    def save(self) -> None:
        """Store new digests together with those that other processes have stored."""
        if not self._is_new:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._path.with_name(f".{NAME}.lock")):
                merged = {**self._load(), **self._known}
                write_json(self._path, {name: list(entry) for name, entry in merged.items()})
            self._is_new = False
        except OSError as error:
            logger.warning("%s: digests cannot be kept: %s", self._path, error)

    def _load(self) -> dict[str, tuple[int, int, str]]:
        try:
            stored = json.loads(read_small_text(self._path, MAX_INDEX_BYTES))
            return {
                name: (int(size), int(mtime_ns), str(digest))
                for name, (size, mtime_ns, digest) in stored.items()
            }
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return {}


def _status(raw_file: Path) -> _Status:
    status = status_of(raw_file)
    if status == ABSENT:
        raise RawDataError(f"{raw_file}: no such file, or not a regular one")
    return status


def _digest_of(raw_file: Path, before: _Status) -> str:
    """Digest of a file that had this status.

    Raises:
        RawDataError: if it cannot be read, or has another status afterwards.
    """
    try:
        with errors_name_file(raw_file):
            digest = digest_of(raw_file)
    except OSError as error:
        raise RawDataError(f"{raw_file}: cannot be read: {error}") from None
    if status_of(raw_file) != before:
        raise RawDataError(f"{raw_file}: changed while it was being read")
    return digest
