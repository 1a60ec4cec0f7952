"""Formats of raw files: which reader opens a file or a folder, by name and by content."""

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, cast

from hybrid_pde.config.raw_formats import AUTO, READERS, reader_modules
from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.derived_fields import with_derived_fields
from hybrid_pde.data.raw_files.foreign_formats import why_unreadable
from hybrid_pde.data.raw_files.raw_file import RawFile
from hybrid_pde.errors import RawDataError


class Reader(Protocol):
    """The module of a reader; see :mod:`hybrid_pde.data.readers` for its optional functions."""

    FORMAT: str
    SUFFIXES: tuple[str, ...]

    def open_raw(self, path: Path, data: DataParams) -> AbstractContextManager[RawFile]:
        """Open one file; every failure is a ``RawDataError`` that names it."""


def suffixes(file_format: str) -> tuple[str, ...]:
    """Endings of the files that a format's reader takes; ``auto`` takes those of all readers."""
    found = (suffix for reader in _readers(file_format) for suffix in reader.SUFFIXES)
    return tuple(dict.fromkeys(found))


def is_raw_file(path: Path, file_format: str = AUTO) -> bool:
    """True if a reader takes a file or folder by its name; nothing is opened."""
    return bool(_candidates(path, file_format))


def is_folder_of_reader(path: Path, file_format: str = AUTO) -> bool:
    """True if a folder is one raw file, e.g. a Zarr store."""
    return any(_takes_folder(reader, path) for reader in _readers(file_format))


def open_raw(path: Path, data: DataParams) -> AbstractContextManager[RawFile]:
    """Open a raw file with the reader of ``data.format``.

    With ``auto``, the reader follows from the name, and among several from the content.

    Raises:
        RawDataError: if no reader takes it, naming what would help.
    """
    reader = reader_of(path, data.format)
    if not data.derive:
        return reader.open_raw(path, data)
    return with_derived_fields(path, data, reader.open_raw)


def companions(path: Path) -> list[Path]:
    """Files beside a raw file that its reader reads, too, as far as they exist."""
    found: dict[Path, None] = {}
    for reader in _candidates(path, AUTO):
        if hasattr(reader, "companions"):
            found |= dict.fromkeys(each for each in reader.companions(path) if each.is_file())
    return list(found)


def reader_files(file_format: str) -> list[Path]:
    """Python files of the readers that a format may use."""
    return [Path(str(vars(reader)["__file__"])) for reader in _readers(file_format)]


def reader_folders() -> list[str]:
    """Folders in which readers are found."""
    return list(importlib.import_module(READERS).__path__)


def add_reader_folders(folders: list[str]) -> None:
    """Search further folders for readers, e.g. in a new process."""
    known = importlib.import_module(READERS).__path__
    known.extend(folder for folder in folders if folder not in known)


def reader_of(path: Path, file_format: str) -> Reader:
    """The reader that opens a file.

    Raises:
        RawDataError: if no reader takes it, naming what would help.
    """
    candidates = _candidates(path, file_format)
    if not candidates:
        raise RawDataError(f"{path}: {why_unreadable(path, suffixes(file_format))}")
    for reader in candidates[:-1]:
        if not hasattr(reader, "recognizes") or reader.recognizes(path):
            return reader
    return candidates[-1]  # it says what it expects


def _candidates(path: Path, file_format: str) -> list[Reader]:
    """Readers that take a file by its name; those that look at the content come first."""
    suffix = path.suffix.lower()
    found = [
        reader
        for reader in _readers(file_format)
        if suffix in reader.SUFFIXES or _takes_folder(reader, path)
    ]
    return sorted(found, key=lambda reader: not hasattr(reader, "recognizes"))


def _takes_folder(reader: Reader, path: Path) -> bool:
    return hasattr(reader, "takes_folder") and path.is_dir() and bool(reader.takes_folder(path))


def _readers(file_format: str) -> Iterator[Reader]:
    for name, module in reader_modules().items():
        if file_format in (AUTO, name):
            yield cast(Reader, importlib.import_module(module))
