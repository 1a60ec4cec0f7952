"""Files that are either complete or absent."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hybrid_pde.data.disk_errors import disk_errors_told
from hybrid_pde.data.temporary_files import temporary_sibling


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary sibling that takes the place of ``path`` if the block succeeds.

    The sibling is flushed to the disk before it is renamed, and removed if the block fails.

    Raises:
        StorageError: if the disk is full or cannot be written, whatever library has noticed.
    """
    temporary = temporary_sibling(path)
    try:
        # within the `try`, so that the disk is asked while the sibling still fills it
        with disk_errors_told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", "utf-8")


def sha256_of(path: Path) -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
