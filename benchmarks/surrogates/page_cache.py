"""Eviction of files from the system's page cache; Linux only."""

import os
from collections.abc import Iterable
from pathlib import Path


def forget(paths: Iterable[Path]) -> None:
    """Evict files from the page cache, so that the next read goes to the disk.

    Pages mapped and used by a process stay.
    """
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())  # unwritten pages cannot be evicted
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
