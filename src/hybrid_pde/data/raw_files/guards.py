"""Checks of raw files before they are read, and errors that name the file.

A header can state any size and an HDF5 file can point to other files, so both are checked before
memory is taken or a link is followed.
"""

import contextlib
import lzma
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_pde.data.raw_files.folder_files import stored_bytes
from hybrid_pde.errors import ConfigError, RawDataError

if TYPE_CHECKING:
    import h5py
    import xarray as xr

DOUBLE_BYTES = 8
MEMORY_SHARE = 8  # a block is copied while it is decoded, reordered and checked
# Entries read at once along an axis: HDF5 keeps about 6 kB for each chunk that a read touches.
MAX_ENTRIES_AT_ONCE = 8192
MAX_SAMPLES = 1_000_000  # simulations in a file; each becomes a file of the cache
# Errors that libraries raise on damaged files; anything else is a bug of this program.
LIBRARY_ERRORS = (
    OSError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    OverflowError, EOFError, MemoryError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile,
    zlib.error, lzma.LZMAError,
)  # fmt: skip
MAX_COMPRESSION = 2000  # of a whole file; gzip reaches 1030 for a single constant
MAX_UNCHECKED_BYTES = 256 * 2**20  # that a file may state whatever it holds
_REMEDY = "copy it into this file"


@contextlib.contextmanager
def errors_name_file(path: Path) -> Iterator[None]:
    """Turn every failure into an error that names the file.

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


def physical_memory() -> int:
    """Memory of this machine [bytes]."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_size(name: str, shape: Sequence[int]) -> None:
    """Reject an array that does not fit into memory in double precision.

    Args:
        name: Name of the variable, or of a part of it.
        shape: Shape of the part held at once, as the header states it.

    Raises:
        RawDataError: without the file's name, which the caller adds.
    """
    needed, limit = math.prod(shape) * DOUBLE_BYTES, physical_memory() // MEMORY_SHARE
    if needed > limit:
        raise RawDataError(
            f"{name}: the header states {' x '.join(map(str, shape))} numbers, "
            f"{needed / 1e9:.3g} GB at once; the limit is {limit / 1e9:.3g} GB, an eighth of this "
            "machine's memory"
        )


def check_stored(path: Path, stated: int) -> None:
    """Reject a file whose header states far more than the file holds.

    Values that were never written take no space: without this check a few kilobytes become any
    number of zeros in the cache.

    Args:
        path: The file.
        stated: Size of the variables that are used, decoded [bytes].

    Raises:
        RawDataError: without the file's name, which the caller adds.
    """
    if stated <= MAX_UNCHECKED_BYTES:
        return
    stored = stored_bytes(path)
    if stated > MAX_COMPRESSION * stored:
        raise RawDataError(
            f"the header states {stated / 1e9:.3g} GB of values, the file holds "
            f"{stored / 1e6:.3g} MB; no compression of measured or computed fields is above "
            f"{MAX_COMPRESSION}, so most of them were never written; write the file again"
        )


def check_frame(
    variable: "xr.Variable", name: Hashable, roles: dict[str, str], num_samples: int
) -> None:
    """Reject a variable if one frame or one chunk of it does not fit into memory.

    Raises:
        RawDataError: as :func:`check_size`, and for more simulations than the cache can hold.
    """
    at_once = [
        size
        for dim, size in zip(variable.dims, variable.shape, strict=True)
        if roles.get(str(dim)) not in ("time", "sample")
    ]
    check_size(f"a frame of {name}", at_once)
    check_size(f"a chunk of {name}", variable.encoding.get("chunksizes") or ())
    if num_samples > MAX_SAMPLES:
        raise RawDataError(
            f"{name}: the header states {num_samples} simulations; a file has at most {MAX_SAMPLES}"
        )


def reject_external_data(
    group: "h5py.Group", *, deep: bool = True, seen: frozenset[int] = frozenset()
) -> None:
    """Reject links and data sets with content in another file, before any is followed.

    Otherwise the author of a file could choose any file on this machine to be read.

    Args:
        group: A group, or the file.
        deep: Whether to check its groups and data sets, too.
        seen: Addresses of the groups that contain it.

    Raises:
        RawDataError: naming the entry; without the file's name.
    """
    import h5py

    address = h5py.h5o.get_info(group.id).addr
    if address in seen:
        raise RawDataError(f"{group.name}: a group that contains itself")
    for name in group:
        place = f"{group.name}/{name}".lstrip("/")
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise RawDataError(f"{place}: a link to another file, {link.filename!r}; {_REMEDY}")
        if not deep or isinstance(link, h5py.SoftLink):
            continue
        entry = group.get(name)
        if isinstance(entry, h5py.Group):
            reject_external_data(entry, seen=seen | {address})
        elif isinstance(entry, h5py.Dataset) and entry.external:
            raise RawDataError(f"{place}: its values lie in {entry.external[0][0]!r}; {_REMEDY}")
        elif isinstance(entry, h5py.Dataset) and entry.is_virtual:
            sources = {source.file_name for source in entry.virtual_sources()} - {"."}
            if sources:
                raise RawDataError(f"{place}: its values lie in {min(sources)!r}; {_REMEDY}")
