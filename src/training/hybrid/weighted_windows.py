"""Windows of generated simulations, of which some places count less than others.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from src.data.grid import FieldLayout, Grid
from src.data.hybrid_dataset import HybridDataset
from src.data.simulation_store import SimulationStore
from src.data.window_batch import Window, WindowBatch


class WeightedWindows(Dataset[Any]):
    """Windows with the same weight for all targets at a place.

    An item is ``(input [C_in, *space], targets [T, C_out, *space], weights [T, C_out, *space])``.

    Args:
        windows: The windows.
        weights: Of every channel and place, ``[C_out, *space]``.
    """

    def __init__(self, windows: HybridDataset, weights: torch.Tensor) -> None:
        self.windows = windows
        self.grid: Grid = windows.grid
        self.dt: float = windows.dt
        self._weights = weights

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The input fields in the order of their channels."""
        return self.windows.layouts

    @property
    def output_layouts(self) -> tuple[FieldLayout, ...]:
        """The target fields in the order of their channels."""
        return self.windows.output_layouts

    @property
    def sim_indices(self) -> list[int]:
        """The simulations."""
        return self.windows.sim_indices

    @property
    def store(self) -> SimulationStore:
        """The folder that the simulations are in."""
        return self.windows.store

    def __len__(self) -> int:
        return len(self.windows)

    def __iter__(self) -> Iterator[Window]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Window:
        state, targets = self.windows[index]
        return state, targets, self._weights.expand_as(targets)

    def __getitems__(self, indices: Sequence[int]) -> WindowBatch:
        return WindowBatch(*self.gather(indices))

    def gather(self, indices: Sequence[int]) -> Window:
        """Several windows as one batch."""
        state, targets = self.windows.gather(indices)
        return state, targets, self._weights.expand_as(targets)
