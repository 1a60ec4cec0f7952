"""What every reader of raw files offers, and which reader takes which file.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space in ascending order.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from src.config.schema import DataParams
from src.data.grid import FieldLayout, Grid

# format -> (module, suffixes); the modules are imported when a file of theirs is opened
FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "netcdf": ("src.data.readers.netcdf", (".nc", ".nc3", ".nc4", ".cdf", ".netcdf")),
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
    """

    num_samples: int
    num_frames: int
    start: float
    dt: float
    grid: Grid
    layouts: tuple[FieldLayout, ...]
    boundary_stated: bool

    def to_dict(self) -> dict[str, Any]:
        """The information as JSON types."""
        return {
            **{key: value for key, value in vars(self).items() if key not in ("grid", "layouts")},
            "grid": self.grid.to_dict(),
            "layouts": [layout.to_dict() for layout in self.layouts],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RawFileInfo":
        """The information that :meth:`to_dict` described."""
        layouts = tuple(FieldLayout.from_dict(layout) for layout in values["layouts"])
        return cls(**{**values, "grid": Grid.from_dict(values["grid"]), "layouts": layouts})


class RawFile(Protocol):
    """An open raw file."""

    info: RawFileInfo

    @property
    def times(self) -> np.ndarray:
        """Time of each selected frame [time], double precision."""

    def static(self, sample: int) -> Block:
        """The fields without a time axis, ``[C, *space]`` float32 each."""

    def frames(self, sample: int) -> Iterator[Block]:
        """The other fields block by block, ``[T, C, *space]`` float32, in the order of time."""


class Opener(Protocol):
    """The function ``open_raw`` of a reader's module."""

    def __call__(self, path: Path, data: DataParams) -> AbstractContextManager[RawFile]:
        """Open one file; every failure is a ``RawDataError`` that names it."""


def suffixes(file_format: str) -> tuple[str, ...]:
    """Endings of the files that a format's reader takes; ``auto`` takes those of all."""
    chosen = FORMATS if file_format == "auto" else {file_format: FORMATS[file_format]}
    return tuple(suffix for _, endings in chosen.values() for suffix in endings)


def open_raw(path: Path, data: DataParams) -> AbstractContextManager[RawFile]:
    """Open a raw file with the reader for its suffix."""
    module = next(module for module, endings in FORMATS.values() if path.suffix.lower() in endings)
    return cast(Opener, import_module(module).open_raw)(path, data)
