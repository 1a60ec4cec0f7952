"""Formats of raw files: endings of their names, and the reader that opens a file."""

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, cast

from hybrid_pde.config.raw_formats import AUTO, READERS, reader_modules
from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.raw_file import RawFile


class Reader(Protocol):
    """The module of a reader."""

    FORMAT: str
    SUFFIXES: tuple[str, ...]

    def open_raw(self, path: Path, data: DataParams) -> AbstractContextManager[RawFile]:
        """Open one file; every failure is a ``RawDataError`` that names it."""


def suffixes(file_format: str) -> tuple[str, ...]:
    """Endings of the files that a format's reader takes; ``auto`` takes those of all readers."""
    return tuple(suffix for reader in _readers(file_format) for suffix in reader.SUFFIXES)


def open_raw(path: Path, data: DataParams) -> AbstractContextManager[RawFile]:
    """Open a raw file with the reader of ``data.format``; ``auto`` chooses by the file's ending."""
    return reader_of(path, data.format).open_raw(path, data)


def reader_of(path: Path, file_format: str) -> Reader:
    """The reader that opens a file."""
    suffix = path.suffix.lower()
    return next(each for each in _readers(file_format) if suffix in each.SUFFIXES)


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


def _readers(file_format: str) -> Iterator[Reader]:
    for name, module in reader_modules().items():
        if file_format in (AUTO, name):
            yield cast(Reader, importlib.import_module(module))
