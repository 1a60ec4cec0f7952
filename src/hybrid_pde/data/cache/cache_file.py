"""One simulation in a safetensors file: streamed to, and read as a memory map.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.data.cache.cache_header import LENGTH_BYTES, REMEDY, CacheHeader, read_header
from hybrid_pde.data.cache.channel_statistics import (
    ChannelStatistics,
    RunningStatistics,
)
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import CacheError

if TYPE_CHECKING:
    import torch

ALIGNMENT = 64  # of the tensors in the file: a cache line [bytes]
# The longest decimal of a double; it reserves space for statistics that are not yet known.
LONGEST = -2.2250738585072014e-308
MAX_MISSING = 2**63  # missing values

FindSource = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True)
class CachedSimulation:
    """A simulation with tensors that are memory maps of its file.

    Attributes:
        path: The file.
        header: Description of the numbers.
        fields: ``[T, C, *space]`` for each field, ``[C, *space]`` if static.
        known: Known parameters: numbers ``[]``, ``[C]``, ``[T]`` or ``[T, C]`` in double
            precision, fields like the others.
    """

    path: Path
    header: CacheHeader
    fields: Mapping[str, "torch.Tensor"]
    known: Mapping[str, "torch.Tensor"]

    @property
    def grid(self) -> Grid:
        """The grid."""
        return self.header.grid

    @property
    def dt(self) -> float:
        """Time between frames [time]."""
        return self.header.dt

    @property
    def times(self) -> tuple[float, ...]:
        """Time of each frame [time]."""
        return self.header.times

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The fields."""
        return self.header.layouts

    @property
    def units(self) -> StatedUnits:
        """The system that all numbers are in."""
        return self.header.units

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self.header.num_frames

    @property
    def statistics(self) -> Mapping[str, ChannelStatistics]:
        """Mean, standard deviation and range of each field's channels."""
        return self.header.statistics


def open_simulation(path: Path) -> CachedSimulation:
    """Map a cached simulation into memory; values are read when they are used.

    Raises:
        CacheError: if the file is missing, truncated, foreign, or of another schema version.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    header = read_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {layout.name: file.get_tensor(layout.name) for layout in header.tensors}
    except (SafetensorError, OSError) as error:
        raise CacheError(f"{path}: {error}; {REMEDY}") from None
    fields = {layout.name: tensors[layout.name] for layout in header.layouts}
    known = {
        each.name: tensors[each.layout.name]
        if each.is_field
        else torch.tensor(each.values, dtype=torch.float64)
        for each in header.known
    }
    return CachedSimulation(path, header, fields, known)


def _longest(channels: int) -> ChannelStatistics:
    """Statistics with the largest possible size in the header."""
    numbers = (LONGEST,) * channels
    return ChannelStatistics(numbers, numbers, numbers, numbers, (MAX_MISSING,) * channels)


class PrecisionError(Exception):
    """Single precision does not keep the variation of some tensors; write them in double.

    Attributes:
        names: Names of the tensors.
    """

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__(", ".join(sorted(names)))
        self.names = names


class SimulationWriter:
    """Streams the frames of one simulation to its file; made by :func:`simulation_writer`."""

    def __init__(self, file: BinaryIO, header: CacheHeader) -> None:
        self._file = file
        self._header = header
        self._layouts = {layout.name: layout for layout in header.tensors}
        self._running = {
            layout.name: RunningStatistics(layout.channels) for layout in header.tensors
        }
        self._types: dict[str, np.dtype] = {}  # of the numbers before they are written
        self._frames = dict.fromkeys(self._layouts, 0)
        unknown = {layout.name: _longest(layout.channels) for layout in header.layouts}
        needed = LENGTH_BYTES + len(replace(header, statistics=unknown).to_json())
        self._data_begin = needed + (-needed % ALIGNMENT)
        self._offsets = header.offsets()

    def write(self, block: Mapping[str, np.ndarray]) -> None:
        """Append frames ``[T, C, *space]``, or a static field ``[C, *space]``, of each tensor."""
        for name, values in block.items():
            layout = self._layouts[name]
            frames = values[None] if layout.static else values
            first = self._frames[name]
            frame_shape = self._header.shape(layout)[0 if layout.static else 1 :]
            last = first + frames.shape[0]
            limit = 1 if layout.static else self._header.num_frames
            assert frames.shape[1:] == frame_shape and last <= limit, (name, values.shape)
            self._types[name] = frames.dtype
            self._running[name].add(frames)
            with np.errstate(over="ignore"):  # then the tensor is written again
                dtype = "<f8" if name in self._header.double else "<f4"
                frames = np.ascontiguousarray(frames, dtype=dtype)
            frame_bytes = frames.nbytes // max(1, len(frames))
            self._file.seek(self._data_begin + self._offsets[name][0] + first * frame_bytes)
            self._file.write(frames.data)
            self._frames[name] = last

    def finish(self, find_source: FindSource) -> None:
        """Write the header, now that the statistics are known.

        Args:
            find_source: See :func:`simulation_writer`.

        Raises:
            CacheError: if every value of a field's channel is missing.
            PrecisionError: if tensors in single precision have to be in double.
        """
        for name, count in self._frames.items():
            expected = 1 if self._layouts[name].static else self._header.num_frames
            assert count == expected, f"{name}: {count} of {expected} frames were written"
        lost = {
            name
            for name in self._running
            if self._types[name] == np.float64
            and name not in self._header.double
            and self._running[name].rounding(np.float32).needs_double
        }
        if lost:
            raise PrecisionError(frozenset(lost))
        names = [layout.name for layout in self._header.layouts]
        statistics = {name: self._statistics(name) for name in names}
        source = {**self._header.source, **find_source()}
        header = replace(self._header, statistics=statistics, source=source)
        text = header.to_json().encode("ascii")
        length = self._data_begin - LENGTH_BYTES
        assert len(text) <= length, "the header has grown"
        self._file.seek(0)
        self._file.write(length.to_bytes(LENGTH_BYTES, "little") + text.ljust(length))

    def _statistics(self, name: str) -> ChannelStatistics:
        try:
            return self._running[name].result()
        except ValueError as error:
            source = self._header.source.get("file", "the simulation")
            raise CacheError(f"{source}: {name}: {error}") from None


@contextmanager
def simulation_writer(
    path: Path, header: CacheHeader, find_source: FindSource = dict
) -> Iterator[SimulationWriter]:
    """A writer of one simulation; the file appears complete or not at all.

    Args:
        path: File to write.
        header: The header without statistics, which are computed while writing.
        find_source: Called at the end; returns entries of the header's ``source`` that were not
            known before, in place of others of the same length.
    """
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        writer = SimulationWriter(file, header)
        yield writer
        writer.finish(find_source)


def write_simulation(
    path: Path,
    header: CacheHeader,
    blocks: Iterable[Mapping[str, np.ndarray]],
    find_source: FindSource = dict,
) -> None:
    """Write one simulation from blocks of frames, atomically.

    Args:
        path: File to write.
        header: The header without statistics.
        blocks: The blocks; read a second time if a tensor turns out to need double precision.
        find_source: See :func:`simulation_writer`.

    Raises:
        CacheError: if every value of a field's channel is missing.
    """
    try:
        with simulation_writer(path, header, find_source) as writer:
            for block in blocks:
                writer.write(block)
    except PrecisionError as lost:
        in_double = replace(header, double=header.double | lost.names)
        write_simulation(path, in_double, blocks, find_source)
