"""What every reader of raw files offers, and which reader takes which file.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space in ascending order.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hybrid_pde.config.schema import DataParams
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter

# format -> endings of its files
FORMATS: dict[str, tuple[str, ...]] = {
    "netcdf": (".nc", ".nc3", ".nc4", ".cdf", ".netcdf"),
    "hdf5-pdebench": (".h5", ".hdf5"),
}
Block = dict[str, np.ndarray]


@dataclass(frozen=True)
class RawFileInfo:
    """What a raw file says about its simulations without their values being read.

    Attributes:
        num_samples: Number of simulations in the file.
        num_frames: Number of frames of each, after selection.
        start: Time of the first frame [time].
        dt: Mean time between frames [time].
        grid: The grid, after selection.
        layouts: The fields asked for, in the experiment's order.
        boundary_stated: Whether the boundary was stated by the experiment or by the file.
        known: Kinds of the known parameters, in the experiment's order.
    """

    num_samples: int
    num_frames: int
    start: float
    dt: float
    grid: Grid
    layouts: tuple[FieldLayout, ...]
    boundary_stated: bool
    known: tuple[KnownParameter, ...]

    def to_dict(self) -> dict[str, Any]:
        """The information as JSON types."""
        return {
            **vars(self),
            "grid": self.grid.to_dict(),
            "layouts": [layout.to_dict() for layout in self.layouts],
            "known": [parameter.to_dict() for parameter in self.known],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RawFileInfo":
        """The information that :meth:`to_dict` described."""
        layouts = tuple(FieldLayout.from_dict(layout) for layout in values["layouts"])
        known = tuple(KnownParameter.from_dict(parameter) for parameter in values["known"])
        grid = Grid.from_dict(values["grid"])
        return cls(**{**values, "grid": grid, "layouts": layouts, "known": known})


class RawFile(Protocol):
    """An open raw file."""

    info: RawFileInfo

    @property
    def times(self) -> np.ndarray:
        """Time of each selected frame [time], double precision."""

    def static(self, sample: int) -> Block:
        """The tensors without a time axis, ``[C, *space]`` float32 each."""

    def known(self, sample: int) -> tuple[KnownParameter, ...]:
        """The known parameters; the values of those that are fields are among the tensors."""

    def frames(self, sample: int) -> Iterator[Block]:
        """The other tensors block by block, ``[T, C, *space]`` float32, in the order of time."""


class Opener(Protocol):
    """The function ``open_raw`` of a reader's module."""

    def __call__(self, path: Path, data: DataParams) -> AbstractContextManager[RawFile]:
        """Open one file; every failure is a ``RawDataError`` that names it."""


def suffixes(file_format: str) -> tuple[str, ...]:
    """Endings of the files that a format's reader takes; ``auto`` takes those of all."""
    chosen = FORMATS if file_format == "auto" else {file_format: FORMATS[file_format]}
    return tuple(suffix for endings in chosen.values() for suffix in endings)


def open_raw(path: Path, data: DataParams) -> AbstractContextManager[RawFile]:
    """Open a raw file with the reader for its suffix."""
    suffix = path.suffix.lower()
    return _opener(next(each for each, endings in FORMATS.items() if suffix in endings))(path, data)


def _opener(file_format: str) -> Opener:
    """The function of a format's reader, whose libraries are loaded only where they are needed."""
    # import statements, not names of modules: what a stage imports decides whether it runs again
    if file_format == "netcdf":
        from hybrid_pde.data.readers import netcdf

        return netcdf.open_raw
    assert file_format == "hdf5-pdebench", file_format
    from hybrid_pde.data.readers import pdebench

    return pdebench.open_raw
