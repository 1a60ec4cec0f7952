"""Parts of a batch of simulations, and what is copied between the batch and the arrays of a part.

Layout: ``F`` frames, ``P`` parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch


@dataclass(frozen=True)
class Parts:
    """Equal parts of a batch of simulations, on each of which a list is run.

    Attributes:
        size: Number of simulations in a part.
        total: Number of simulations in the batch.
        axes: Axis of the simulations in each changing tensor; ``None`` where there is none.
    """

    size: int
    total: int
    axes: Sequence[int | None]

    @property
    def starts(self) -> list[int]:
        """First simulation of each part; the last part may overlap the one before."""
        last = self.total - self.size
        return [min(first, last) for first in range(0, self.total, self.size)]


class Transfers:
    """Table of values that are copied between a batch and the arrays of a part.

    Args:
        parts: The parts of the batch; ``None`` if it is not divided.
        frames: Number of frames.
    """

    def __init__(self, parts: Parts | None, frames: int = 1) -> None:
        self._parts, self._frames = parts, frames
        self._rows: list[list[int]] = []

    def table(self) -> torch.Tensor:
        """One transfer a row, see ``array_program.cpp``."""
        return torch.tensor(self._rows, dtype=torch.int64).reshape(-1, 7)

    def add(
        self, array: int, own: torch.Tensor, batch: torch.Tensor, axis: int | None, frame: int = 0
    ) -> None:
        """Copy between an array of the program and a tensor of the batch.

        Args:
            array: Number of the array.
            own: The array.
            batch: The tensor, of the first frame.
            axis: Axis of the simulations; ``None``: the tensor is the same for all parts.
            frame: Bytes from frame to frame.
        """
        size = own.numel() * own.element_size()
        if axis is None:
            self._rows.append([array, 0, size, batch.data_ptr(), 0, 0, frame])
            return
        lines = prod(own.shape[:axis])
        piece, line = size // lines, batch.numel() * own.element_size() // lines
        step = piece // own.shape[axis]
        for number in range(lines):
            place = batch.data_ptr() + number * line
            self._rows.append([array, number * piece, piece, place, step, 0, frame])

    def add_by_part(self, array: int, batch: torch.Tensor, frame: int = 0) -> None:
        """The same for a tensor ``[P, …]``."""
        size = batch[0].numel() * batch.element_size()
        self._rows.append([array, 0, size, batch.data_ptr(), 0, size, frame])

    def new(self, array: int, own: torch.Tensor, axis: int | None) -> torch.Tensor:
        """A tensor of the batch ``[F, …]`` that takes an array of the program after each frame."""
        shape = list(own.shape)
        if self._parts is not None:
            if axis is None:
                shape = [len(self._parts.starts), *shape]
            else:
                shape[axis] = self._parts.total
        made = torch.empty((self._frames, *shape), dtype=own.dtype)
        frame = prod(shape) * own.element_size()
        if self._parts is not None and axis is None:
            self.add_by_part(array, made[0], frame)
        else:
            self.add(array, own, made[0], axis, frame)
        return made
