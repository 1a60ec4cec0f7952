"""The system's page cache: size of the cached part of files, and eviction; Linux only."""

import ctypes
import mmap
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


def resident(paths: Iterable[Path]) -> int:
    """Size of the part of the files in the page cache, whichever process read it [bytes]."""
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
