"""Headers of cached simulations: grid, fields, times and statistics, in safetensors files.

A safetensors file is the length of its header (eight bytes, little-endian), the header (JSON,
padded with spaces), and the tensors' bytes one after the other. Our description is the
entry ``simulation`` of the header's ``__metadata__``.

Source: https://github.com/huggingface/safetensors, section "Format".
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid_pde.data.cache.channel_statistics import ChannelStatistics
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import CacheError

SCHEMA_VERSION = 3  # raise it when older files must no longer be read
FORMAT = "hybrid-pde simulation"
METADATA = "__metadata__"
KEY = "simulation"
LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000  # the library's own limit
SINGLE, DOUBLE = "F32", "F64"  # names of the format
VALUE_BYTES = 4  # in single precision
BYTES = {SINGLE: VALUE_BYTES, DOUBLE: 8}
REMEDY = "delete the file; its stage then recomputes it"


@dataclass(frozen=True)
class CacheHeader:
    """Description of a cached simulation.

    Attributes:
        grid: The grid.
        layouts: The fields, each a tensor ``[T, C, *space]``, or ``[C, *space]`` if static.
        dt: Time between frames [time].
        times: Time of each frame [time].
        source: Origin of the numbers: files and digests, or the model that generated them.
        reading: Digest of the reading settings; empty for generated simulations.
        statistics: Statistics of each field.
        known: Known parameters; fields among them are tensors after those of ``layouts``.
        units: The system that all numbers are in.
        double: Names of the tensors in double precision; the others are in single precision.
    """

    grid: Grid
    layouts: tuple[FieldLayout, ...]
    dt: float
    times: tuple[float, ...]
    source: Mapping[str, Any]
    reading: str
    statistics: Mapping[str, ChannelStatistics]
    known: tuple[KnownParameter, ...] = ()
    units: StatedUnits = StatedUnits()
    double: frozenset[str] = frozenset()

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.times)

    @property
    def tensors(self) -> tuple[FieldLayout, ...]:
        """Layouts of all tensors in their order in the file: fields, then known parameters.

        Those in double precision come first, so that all numbers are aligned.
        """
        every = (*self.layouts, *(each.layout for each in self.known if each.is_field))
        return tuple(sorted(every, key=lambda layout: layout.name not in self.double))

    @property
    def known_by_name(self) -> dict[str, KnownParameter]:
        """The known parameters by name; fields have no values here."""
        return {parameter.name: parameter for parameter in self.known}

    def shape(self, layout: FieldLayout) -> tuple[int, ...]:
        """Shape of a tensor."""
        space = (layout.channels, *self.grid.shape)
        return space if layout.static else (self.num_frames, *space)

    def precision(self, layout: FieldLayout) -> str:
        """Type of a tensor's numbers, ``F32`` or ``F64``."""
        return DOUBLE if layout.name in self.double else SINGLE

    def offsets(self) -> dict[str, tuple[int, int]]:
        """First byte of each tensor after the header, and the first byte past it."""
        found, begin = {}, 0
        for layout in self.tensors:
            end = begin + math.prod(self.shape(layout)) * BYTES[self.precision(layout)]
            found[layout.name] = (begin, end)
            begin = end
        return found

    def to_json(self) -> str:
        """The header of the safetensors file."""
        description = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "source": self.source,
            "reading": self.reading,
            "dt": self.dt,
            "times": list(self.times),
            "grid": self.grid.to_dict(),
            "centering": "cell",
            "layouts": [layout.to_dict() for layout in self.layouts],
            "statistics": {name: each.to_dict() for name, each in self.statistics.items()},
            "known": [each.to_dict() for each in self.known],
            "units": self.units.to_dict(),
            "double": sorted(self.double),
        }
        offsets = self.offsets()
        tensors = {
            layout.name: {
                "dtype": self.precision(layout),
                "shape": list(self.shape(layout)),
                "data_offsets": list(offsets[layout.name]),
            }
            for layout in self.tensors
        }
        return json.dumps({METADATA: {KEY: json.dumps(description)}, **tensors})

    @classmethod
    def from_json(cls, text: str | bytes) -> "CacheHeader":
        """The inverse of :meth:`to_json`.

        Raises:
            ValueError: if it is not a header, or contradicts itself.
        """
        stored = json.loads(text)
        if not isinstance(stored, dict) or KEY not in stored.get(METADATA, {}):
            raise ValueError("not a cached simulation")
        description = json.loads(stored[METADATA][KEY])
        if description.get("format") != FORMAT:
            raise ValueError("not a cached simulation")
        version = description["schema_version"]
        if version != SCHEMA_VERSION:
            raise ValueError(f"schema version {version}, this program reads {SCHEMA_VERSION}")
        header = cls(
            grid=Grid.from_dict(description["grid"]),
            layouts=tuple(FieldLayout.from_dict(each) for each in description["layouts"]),
            dt=float(description["dt"]),
            times=tuple(map(float, description["times"])),
            source=dict(description["source"]),
            reading=str(description["reading"]),
            statistics={
                name: ChannelStatistics.from_dict(each)
                for name, each in description["statistics"].items()
            },
            known=tuple(KnownParameter.from_dict(each) for each in description["known"]),
            units=StatedUnits.from_dict(description["units"]),
            double=frozenset(map(str, description["double"])),
        )
        if not all(map(math.isfinite, (header.dt, *header.times))):
            raise ValueError("a time that is not finite")
        if set(header.statistics) != {layout.name for layout in header.layouts}:
            raise ValueError("statistics of other fields")
        for layout in header.tensors:
            tensor = stored.pop(layout.name)
            place, kind = header.offsets()[layout.name], header.precision(layout)
            expected = (list(header.shape(layout)), list(place), kind)
            if (tensor["shape"], tensor["data_offsets"], tensor["dtype"]) != expected:
                raise ValueError(f"the tensor {layout.name!r} is not what the header describes")
        if set(stored) != {METADATA}:
            raise ValueError(f"tensors that the header does not describe: {set(stored)}")
        return header


def read_header(path: Path) -> CacheHeader:
    """The header of a cached simulation; the file's length is checked against it.

    Raises:
        CacheError: if the file is missing, truncated, foreign, or of another schema version.
    """
    if path.exists() and not path.is_file():  # opening a pipe would block
        raise CacheError(f"{path}: not a file; {REMEDY}")
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            if size < LENGTH_BYTES or length > min(size - LENGTH_BYTES, MAX_HEADER_BYTES):
                raise ValueError(f"truncated or no cached simulation ({size} bytes)")
            header = CacheHeader.from_json(file.read(length))
    except OSError as error:
        raise CacheError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        reason = " ".join(str(error).split())[:300]
        raise CacheError(f"{path}: damaged or foreign: {reason}; {REMEDY}") from None
    expected = LENGTH_BYTES + length + max(end for _, end in header.offsets().values())
    if size != expected:
        kind = "truncated" if size < expected else "too long"
        raise CacheError(f"{path}: {kind}: {size} bytes instead of {expected}; {REMEDY}")
    return header
