"""What the header of a raw file states is checked before memory is taken for it."""

import math
import os
from collections.abc import Hashable, Sequence

import xarray as xr

from hybrid_pde.errors import RawDataError

DOUBLE_BYTES = 8
SHARE = 8  # a block is copied while it is decoded, put into order, and checked
# Along an axis: HDF5 keeps some 6 kB for each chunk that a reading touches.
MOST_AT_ONCE = 8192
MAX_SAMPLES = 1_000_000  # simulations of a file; each becomes a file of the cache


def physical_memory() -> int:
    """Memory of this machine [bytes]."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_size(what: str, shape: Sequence[int]) -> None:
    """Refuse what does not fit into memory in double precision.

    Args:
        what: Name of the variable, or of a part of it.
        shape: What is held at once, as the header states it.

    Raises:
        RawDataError: without the file's name, which the caller adds.
    """
    needed, limit = math.prod(shape) * DOUBLE_BYTES, physical_memory() // SHARE
    if needed > limit:
        raise RawDataError(
            f"{what}: the header states {' x '.join(map(str, shape))} numbers, "
            f"{needed / 1e9:.3g} GB at once; the limit is {limit / 1e9:.3g} GB, an eighth of this "
            "machine's memory"
        )


def check_frame(
    variable: xr.Variable, name: Hashable, roles: dict[str, str], num_samples: int
) -> None:
    """Refuse a variable of which one frame, or one chunk of the file, does not fit into memory.

    Raises:
        RawDataError: as :func:`check_size`, and for more simulations than can be files.
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
