"""Which part of files the system holds in memory, and how to make it forget them; Linux only."""

import ctypes
import mmap
import os
from collections.abc import Iterable
from pathlib import Path


def forget(paths: Iterable[Path]) -> None:
    """Drop files from the system's memory, so that what reads them next goes to the disk.

    Pages that a process has mapped and used stay.
    """
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())  # what is not yet written cannot be dropped
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident(paths: Iterable[Path]) -> int:
    """How much of the files is in memory, whichever process read it [bytes]."""
    return sum(_resident(path) for path in paths)


def _resident(path: Path) -> int:
    # mincore takes an address; ctypes gives that of a map only if it may write to it, so the map
    # is a private copy, whose pages are the file's until somebody does
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        size = len(mapped)
        pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
        start = ctypes.c_ubyte.from_buffer(mapped)
        libc = ctypes.CDLL(None, use_errno=True)
        address, length = ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size)
        failed = libc.mincore(address, length, pages)
        del start  # else the map cannot be closed
        if failed:
            raise OSError(ctypes.get_errno(), "mincore", str(path))
    return mmap.PAGESIZE * sum(page & 1 for page in pages)
