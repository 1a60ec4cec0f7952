"""Interface of an open raw file, and its description without its values.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space in ascending order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.stated_units import StatedUnits

Block = dict[str, np.ndarray]


@dataclass(frozen=True)
class RawFileInfo:
    """Description of a raw file's simulations, known without reading their values.

    Attributes:
        num_samples: Number of simulations in the file.
        num_frames: Number of frames of each, after selection.
        start: Time of the first frame [time].
        dt: Mean time between frames [time].
        grid: The grid, after selection.
        layouts: The experiment's fields, in its order.
        boundary_stated: Whether the experiment or the file states the boundary.
        known: Kinds of the known parameters, in the experiment's order.
        units: The system that all numbers are in.
    """

    num_samples: int
    num_frames: int
    start: float
    dt: float
    grid: Grid
    layouts: tuple[FieldLayout, ...]
    boundary_stated: bool
    known: tuple[KnownParameter, ...]
    units: StatedUnits = StatedUnits()

    def to_dict(self) -> dict[str, Any]:
        """The information as JSON types."""
        return {
            **vars(self),
            "grid": self.grid.to_dict(),
            "layouts": [layout.to_dict() for layout in self.layouts],
            "known": [parameter.to_dict() for parameter in self.known],
            "units": self.units.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RawFileInfo":
        """The inverse of :meth:`to_dict`."""
        layouts = tuple(FieldLayout.from_dict(layout) for layout in values["layouts"])
        known = tuple(KnownParameter.from_dict(parameter) for parameter in values["known"])
        grid = Grid.from_dict(values["grid"])
        units = StatedUnits.from_dict(values["units"])
        parts = {"grid": grid, "layouts": layouts, "known": known, "units": units}
        return cls(**{**values, **parts})


class RawFile(Protocol):
    """An open raw file."""

    info: RawFileInfo

    @property
    def times(self) -> np.ndarray:
        """Time of each selected frame [time], double precision."""

    def static(self, sample: int) -> Block:
        """The tensors without a time axis, ``[C, *space]`` each, float32 or float64."""

    def known(self, sample: int) -> tuple[KnownParameter, ...]:
        """The known parameters; values of fields are among the tensors."""

    def frames(self, sample: int) -> Iterator[Block]:
        """The other tensors block by block, ``[T, C, *space]``, in the order of time."""
