"""Windows that are moved by symmetries of the equation, differently in every epoch.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y Z`` space.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch.utils.data import Dataset

from hybrid_pde.config.checks.symmetries import ValidSymmetries
from hybrid_pde.data.symmetries.transformations import WindowSymmetries
from hybrid_pde.data.windows.window_batch import Window, WindowBatch, WindowSource
from hybrid_pde.domain.grid import FieldLayout, Grid


class BatchSource(WindowSource, Protocol):
    """A data set of windows of native tensors that gathers batches."""

    def gather(self, indices: Sequence[int]) -> Window:
        """Several windows as one batch."""


class SymmetricDataset(Dataset[Any]):
    """The windows of a data set, each moved by a random member of a group.

    Which member depends on the seed, the epoch and the window's number alone, so that a window is
    the same whether it is fetched alone or in a batch. With worker processes, call
    :meth:`set_epoch` before the loader's iterator is made.

    Args:
        source: Windows, real, generated or mixed.
        held: The symmetries that hold.
        seed: Decides the moves together with the epoch.
        boost: Largest velocity that a Galilean shift adds along an axis [field].
    """

    def __init__(
        self, source: BatchSource, held: ValidSymmetries, *, seed: int = 0, boost: float = 0.0
    ) -> None:
        self.source = source
        self.seed = seed
        self.dt: float = source.dt
        self.grid: Grid = source.grid
        layouts, outputs = source.layouts, source.output_layouts
        self.symmetries = WindowSymmetries(source.grid, layouts, outputs, held, source.dt, boost)
        self.set_epoch(0)

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The input fields in the order of their channels."""
        return self.source.layouts

    @property
    def output_layouts(self) -> tuple[FieldLayout, ...]:
        """The target fields in the order of their channels."""
        return self.source.output_layouts

    def set_epoch(self, epoch: int) -> None:
        """Draw the moves of an epoch, counted from 0, and the windows where the source does so."""
        set_epoch = getattr(self.source, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)
        hashed = hashlib.sha256(f"symmetric/{self.seed}/{epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(hashed[:8], "big") >> 1)
        self._moves = self.symmetries.draw(len(self.source), generator)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Window:
        return tuple(tensor[0] for tensor in self.gather([index]))

    def __getitems__(self, indices: Sequence[int]) -> WindowBatch:
        return WindowBatch(*self.gather(indices))

    def gather(self, indices: Sequence[int]) -> Window:
        """Several moved windows as one batch.

        Returns:
            Inputs ``[B, C_in, *space]``, targets ``[B, T, C_out, *space]`` and, if there are any,
            their weights.

        Raises:
            IndexError: past the last window.
        """
        return self.symmetries.apply(self.source.gather(indices), self._moves[list(indices)])
