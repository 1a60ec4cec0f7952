"""A simulation in a raw file as the cache takes it over: its blocks, its header, its rounding."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hybrid_pde.data.cache.cache_header import CacheHeader
from hybrid_pde.data.raw_files.raw_file import Block, RawFile
from hybrid_pde.result_warnings import warn_of_result

VISIBLE_ROUNDING = 1e-3  # of a field in its file, relative to its standard deviation


class Blocks:
    """The blocks of a simulation in an open raw file; they can be read again."""

    def __init__(self, raw: RawFile, sample: int) -> None:
        self._raw, self._sample = raw, sample

    def __iter__(self) -> Iterator[Block]:
        yield self._raw.static(self._sample)
        yield from self._raw.frames(self._sample)


def header_of(raw: RawFile, source: Mapping[str, Any], reading: str) -> CacheHeader:
    """Header of the cached simulation, without statistics.

    Args:
        raw: The open file.
        source: File, digest and place of the simulation in it.
        reading: Digest of the settings that it is read with.
    """
    times = tuple(np.asarray(raw.times, np.float64).tolist())
    info = raw.info
    known = raw.known(source["sample"])
    return CacheHeader(
        info.grid, info.layouts, info.dt, times, source, reading, {}, known, info.units
    )


def warn_of_rounding(header: CacheHeader) -> None:
    """Warn of fields with a variation that the file itself has lost to rounding."""
    for name, statistics in header.statistics.items():
        lost = statistics.rounding(np.float64 if name in header.double else np.float32)
        if lost > VISIBLE_ROUNDING:
            warn_of_result(
                f"{header.source['file']}: {name}: the file's own rounding is {100 * lost:.2g} % "
                "of the field's variation, which limits every result; write the file in double "
                "precision, or with the mean subtracted"
            )
