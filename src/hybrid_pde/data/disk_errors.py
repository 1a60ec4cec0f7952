"""Disks that are full or cannot be written, told in one sentence whoever meets them.

Libraries have errors of their own for it (HDF5, torch), some without the system's reason: then the
disk is asked.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from hybrid_pde.data.temporary_files import temporary_sibling
from hybrid_pde.errors import StorageError, UserError

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
_START_BYTES = 1024 * 1024  # what Snakemake notes of a call, and more


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


def refuse_unwritable(folder: Path) -> None:
    """Refuse to begin where nothing can be written.

    Raises:
        StorageError: if the folder, or the one that it would be made in, cannot be written.
    """
    there = next(each for each in (folder, *folder.absolute().parents) if each.is_dir())
    reason = _asked(there, _START_BYTES)
    if reason is not None:
        raise StorageError(f"{folder}: cannot be written: {reason}")


def disk_reason(error: BaseException) -> str | None:
    """What is wrong with the disk and what to do, if that is what the error says."""
    return _REASONS.get(error.errno or 0) if isinstance(error, OSError) else None


def _reason(error: Exception, folder: Path) -> str | None:
    told = disk_reason(error)
    if told in (None, _DENIED):  # which netCDF says of a full disk too
        return _asked(folder) or told
    return told


def _asked(folder: Path, size: int = _PROBE_BYTES) -> str | None:
    """What is wrong with the folder's disk, found by writing to it."""
    probe = temporary_sibling(folder / "probe")
    try:
        with probe.open("wb") as file:
            file.write(os.urandom(size))
            os.fsync(file.fileno())
    except OSError as error:
        return disk_reason(error)
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return None
