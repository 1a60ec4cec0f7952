"""Atomic writing: files are complete or absent, and disk errors say what to do.

While a file is written it has a temporary name beside its own. Libraries report a full disk in
different ways (HDF5, torch), some without the system's reason; then a small probe file is written
to find it.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from hybrid_pde.errors import StorageError, UserError

_FULL = (
    "no space is left on the disk, or the quota is used up; free some and call the same command "
    "again: finished results are kept"
)
_NO_LOCKS = (
    "the file system has no locks (flock), without which two jobs could write one file; mount it "
    "with locks, or work in another folder"
)
_NO_FOLDER = "a file or a broken link has the name of a folder that is needed; rename or remove it"
_DENIED = "permission denied; change the permissions of the folder, or work in another one"
_REASONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "the file is larger than the file system or `ulimit -f` allows",
    errno.EROFS: "the file system is read-only; mount it writable, or work in another folder",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENOLCK: _NO_LOCKS,
    errno.ENOTSUP: _NO_LOCKS,
    errno.ENOSYS: _NO_LOCKS,
    errno.EIO: "the disk or the network file system reports an error (EIO); check it",
    errno.ENOTDIR: _NO_FOLDER,
    errno.EEXIST: _NO_FOLDER,
    errno.ENAMETOOLONG: "the name is too long; shorten it",
    errno.ELOOP: "a link points to itself; remove it",
}
_PROBE_BYTES = 64 * 1024
_START_BYTES = 1024 * 1024  # more than Snakemake writes when it starts
# No file takes longer to be written, on any machine [s].
_OLD_S = 24 * 3600.0
_TEMPORARY_NAME = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that replaces it if the block succeeds.

    It is flushed to the disk before it is renamed, and removed if the block fails.

    Raises:
        StorageError: if the disk is full or cannot be written, whichever library noticed.
    """
    temporary = temporary_sibling(path)
    try:
        # within the `try`, so that the disk is probed while the temporary file still fills it
        with disk_errors_reported(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path`` that replaces the folder there if the block succeeds.

    A folder cannot be replaced in one step: ``path`` is absent for a moment.

    Raises:
        StorageError: if the disk is full or cannot be written, whichever library noticed.
    """
    temporary, old = temporary_sibling(path), temporary_sibling(path)
    try:
        with disk_errors_reported(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            yield temporary
            if path.exists():
                os.replace(path, old)
            try:
                os.replace(temporary, path)
            except BaseException:
                if old.exists():
                    os.replace(old, path)
                raise
    finally:
        for folder in (temporary, old):
            shutil.rmtree(folder, ignore_errors=True)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", "utf-8")


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's content atomically."""
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def sha256_of(path: Path) -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def temporary_sibling(path: Path) -> Path:
    """A temporary name beside ``path``; it contains the host and the process that write it."""
    writer = f"{socket.gethostname()}-{os.getpid()}"
    return path.with_name(f".{path.name}.{writer}.{secrets.token_hex(4)}.tmp")


def remove_abandoned_files(folder: Path) -> int:
    """Delete temporary files of processes that no longer run, in a folder and all below it.

    Returns:
        The number of files.
    """
    found = [path for path in folder.rglob(".*.tmp") if _is_abandoned(path)]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _is_abandoned(path: Path) -> bool:
    if not _TEMPORARY_NAME.fullmatch(path.name) or path.is_symlink() or not path.is_file():
        return False
    here = re.search(rf"\.{re.escape(socket.gethostname())}-(\d+)\.[0-9a-f]{{8}}\.tmp$", path.name)
    if here is not None:
        return not psutil.pid_exists(int(here[1]))
    try:
        return time.time() - path.stat().st_mtime > _OLD_S
    except FileNotFoundError:  # just renamed
        return False


@contextlib.contextmanager
def disk_errors_reported(path: Path) -> Iterator[None]:
    """Turn disk errors while ``path`` is written into a message with a remedy.

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
    """Check that a folder can be written before the work starts.

    Raises:
        StorageError: if the folder, or its nearest existing parent, cannot be written, or is no
            folder.
    """
    parents = (folder, *folder.absolute().parents)
    existing = next(each for each in parents if os.path.lexists(each))
    if not existing.is_dir():
        raise StorageError(f"{folder}: cannot be written: {existing}: {_NO_FOLDER}")
    reason = _probe(existing, _START_BYTES)
    if reason is not None:
        raise StorageError(f"{folder}: cannot be written: {reason}")


def refuse_too_large(folder: Path, size: int, content: str) -> None:
    """Check that files fit on a folder's disk before they are written.

    Args:
        folder: The folder, which need not exist.
        size: Size of the files [bytes].
        content: What they hold, for the message.

    Raises:
        StorageError: if there is less space.
    """
    existing = next(each for each in (folder, *folder.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(existing).free
    if size > free:
        raise StorageError(
            f"{folder}: {content}: {size / 1e9:.3g} GB, {free / 1e9:.3g} GB are free on the "
            "disk; free some, or choose a folder on another disk"
        )


def unwritable_parent(folder: Path) -> str | None:
    """Why a folder, or its nearest existing parent, forbids writing; nothing is written to it."""
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not existing.is_dir():
        return f"{existing} is no folder"
    return None if os.access(existing, os.W_OK | os.X_OK) else f"{existing} is read-only"


def disk_reason(error: BaseException) -> str | None:
    """Problem of the disk and its remedy, if the error states one."""
    return _REASONS.get(error.errno or 0) if isinstance(error, OSError) else None


def _reason(error: Exception, folder: Path) -> str | None:
    stated = disk_reason(error)
    if stated in (None, _DENIED):  # netCDF reports a full disk as denied permission, too
        return _probe(folder) or stated
    return stated


def _probe(folder: Path, size: int = _PROBE_BYTES) -> str | None:
    """Problem of the folder's disk, found by writing to it."""
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
