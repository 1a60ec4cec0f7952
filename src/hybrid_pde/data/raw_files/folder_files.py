"""Files inside a folder that is one raw file: a Zarr store, or a PhiFlow scene."""

import os
from collections.abc import Iterator
from pathlib import Path

from hybrid_pde.errors import RawDataError

MAX_FILES = 1_000_000
BLOCK_BYTES = 512  # unit of st_blocks


def entries_in(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """Every entry below a folder; links are not followed.

    Raises:
        OSError: if a folder cannot be read.
        RawDataError: if there are too many; without the folder's path.
    """
    folders, count = [str(folder)], 0
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                count += 1
                if count > MAX_FILES:
                    raise RawDataError(
                        f"more than {MAX_FILES} files in one folder; use larger chunks"
                    )
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                yield entry


def files_in(folder: Path) -> list[Path]:
    """All files of a folder and its subfolders, by name.

    Raises:
        RawDataError: if one is a link, a pipe or a device: the author of a folder could otherwise
            choose any file on this machine to be read; without the folder's path.
    """
    found = []
    for entry in entries_in(folder):
        if entry.is_dir(follow_symlinks=False):
            continue
        if not entry.is_file(follow_symlinks=False):
            kind = "a link" if entry.is_symlink() else "not a regular file"
            inside = os.path.relpath(entry.path, folder)
            raise RawDataError(f"{inside}: {kind}; copy what it stands for into the folder")
        found.append(Path(entry.path))
    return sorted(found)


def stored_bytes(path: Path) -> int:
    """Size of a raw file, or of all files of a folder, on the disk; holes take no space."""
    statuses = [each.stat() for each in files_in(path)] if path.is_dir() else [path.stat()]
    # a file system that does not count blocks says 0
    return sum(min(each.st_size, each.st_blocks * BLOCK_BYTES or each.st_size) for each in statuses)
