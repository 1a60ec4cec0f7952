"""Disks that are full or cannot be written, told in one sentence whoever meets them.

Libraries have errors of their own for it (HDF5, torch), some without the system's reason: then the
disk is asked.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from src.errors import StorageError, UserError

_FULL = (
    "no space is left on the disk, or the quota is used up; free some and call the same command "
    "again: what is done stays"
)
_DENIED = "permission denied; change the permissions of the folder, or work in another one"
_REASONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "the file is larger than the file system or `ulimit -f` allows",
    errno.EROFS: "the file system is read-only; mount it writable, or work in another folder",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
}
_PROBE_BYTES = 64 * 1024


@contextlib.contextmanager
def disk_errors_told(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the disk while ``path`` is written into a sentence.

    Raises:
        StorageError: if the disk is full or cannot be written; any other error passes.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = _reason(error, path.parent)
        if reason is None:
            raise
        raise StorageError(f"{path}: cannot be written: {reason}") from error


def disk_reason(error: BaseException) -> str | None:
    """What is wrong with the disk and what to do, if that is what the error says."""
    return _REASONS.get(error.errno or 0) if isinstance(error, OSError) else None


def _reason(error: Exception, folder: Path) -> str | None:
    told = disk_reason(error)
    if told in (None, _DENIED):  # which netCDF says of a full disk too
        return _asked(folder) or told
    return told


def _asked(folder: Path) -> str | None:
    """What is wrong with the folder's disk, found by writing to it."""
    probe = folder / f".probe.{secrets.token_hex(4)}.tmp"
    try:
        with probe.open("wb") as file:
            file.write(os.urandom(_PROBE_BYTES))
            os.fsync(file.fileno())
    except OSError as error:
        return disk_reason(error)
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return None
