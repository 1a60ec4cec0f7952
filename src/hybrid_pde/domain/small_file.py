"""Reading of small files: only regular files, and only up to a size."""

import os
import stat
from pathlib import Path

MIB = 2**20
# JSON becomes objects of up to about 20 times its size in memory.
MAX_BYTES = 64 * MIB


def read_small_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """The text of a file in UTF-8.

    Args:
        path: The file.
        max_bytes: Largest size [bytes].

    Raises:
        OSError: as for :func:`read_small_bytes`.
        UnicodeDecodeError: if it is not UTF-8.
    """
    return read_small_bytes(path, max_bytes).decode("utf-8")


def read_small_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a file.

    Opening a pipe would wait for a writer for ever, and a device may have no end.

    Args:
        path: The file.
        max_bytes: Largest size [bytes].

    Raises:
        OSError: if it cannot be opened, is no regular file, or is too large.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(None, "not a regular file", str(path))
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        size = max(status.st_size, len(content))
        raise OSError(None, f"{size} bytes; at most {max_bytes} are read", str(path))
    return content
