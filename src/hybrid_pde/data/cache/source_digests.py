"""Digests of raw files, stored with size and time so that unchanged files are hashed once."""

import json
import logging
from pathlib import Path

from filelock import FileLock

from hybrid_pde.data.atomic import write_json
from hybrid_pde.data.raw_files.guards import errors_name_file
from hybrid_pde.data.raw_files.stored_parts import ABSENT, digest_of, status_of
from hybrid_pde.domain.small_file import MIB, read_small_text
from hybrid_pde.errors import RawDataError

logger = logging.getLogger(__name__)

NAME = "sources.json"
MAX_INDEX_BYTES = 256 * MIB  # of a million files


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
        self._is_new = False

    def digest(self, raw_file: Path) -> str:
        """SHA-256 of a raw file with all its parts.

        Raises:
            RawDataError: if it cannot be read, or changes while it is read.
        """
        try:
            before = status_of(raw_file)
            if before == ABSENT:
                raise RawDataError(f"{raw_file}: no such file, or not a regular one")
            size, mtime_ns, digest = self._known.get(raw_file.name, (-1, -1, ""))
            if (size, mtime_ns) != before:
                with errors_name_file(raw_file):
                    digest = digest_of(raw_file)
                if status_of(raw_file) != before:
                    raise RawDataError(f"{raw_file}: changed while it was being read")
                self._known[raw_file.name] = (*before, digest)
                self._is_new = True
        except OSError as error:
            raise RawDataError(f"{raw_file}: cannot be read: {error}") from None
        return digest

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
