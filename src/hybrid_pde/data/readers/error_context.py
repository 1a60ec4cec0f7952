"""Failures while a raw file is read, told with the file's name."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hybrid_pde.errors import ConfigError, RawDataError

# What libraries raise on damaged files; anything else is a mistake of this program.
LIBRARY_ERRORS = (
    OSError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    OverflowError, EOFError, MemoryError,
)  # fmt: skip


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Every failure becomes an error that names the file.

    Raises:
        ConfigError: as raised within, with the file added.
        RawDataError: for everything else.
    """
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{error} (file {path})") from None
    except RawDataError as error:
        raise RawDataError(f"{path}: {error}") from None
    except LIBRARY_ERRORS as error:
        raise RawDataError(f"{path}: cannot be read: {error}") from error
