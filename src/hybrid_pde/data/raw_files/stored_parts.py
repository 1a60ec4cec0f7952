"""Status and digest of a raw file with all its parts.

A raw file is a file or a folder, and companions beside it that its reader reads, too.
"""

import hashlib
import os
import stat
from pathlib import Path

from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.data.raw_files.folder_files import entries_in, files_in
from hybrid_pde.data.raw_files.formats import companions, is_folder_of_reader
from hybrid_pde.errors import RawDataError

ABSENT = (-1, 0)  # status of a name that leads to no file; opening it gives the error


def status_of(path: Path) -> tuple[int, int]:
    """Size [bytes] and latest modification [ns] of a raw file with all its parts.

    A folder's own times count, too, so a file that replaces another one is noticed.
    """
    try:
        parts = [path.stat()]
        if stat.S_ISDIR(parts[0].st_mode) and is_folder_of_reader(path):
            parts += [entry.stat(follow_symlinks=False) for entry in entries_in(path)]
        elif not stat.S_ISREG(parts[0].st_mode):
            return ABSENT
        parts += [each.stat() for each in companions(path)]
    except (OSError, RawDataError):
        return ABSENT
    size = sum(each.st_size for each in parts if stat.S_ISREG(each.st_mode))
    return size, max(each.st_mtime_ns for each in parts)


def digest_of(path: Path) -> str:
    """SHA-256 of a raw file; of the names and digests of its parts, if it has several.

    Raises:
        OSError: if a part cannot be read.
        RawDataError: if a folder holds anything but files; without the path.
    """
    beside = companions(path)
    if not path.is_dir() and not beside:
        return sha256_of(path)
    total = hashlib.sha256()
    # without the name of the raw file itself: renamed data are the same
    for each in files_in(path) if path.is_dir() else [path]:
        total.update(f"{os.path.relpath(each, path)}\0{sha256_of(each)}\n".encode())
    for each in beside:
        total.update(f"companion\0{sha256_of(each)}\n".encode())
    return total.hexdigest()
