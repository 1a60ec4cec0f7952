"""What data sets of windows have in common that change the windows of another one.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import Dataset

from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.data.windows.window_batch import Window, WindowBatch
from hybrid_pde.domain.grid import FieldLayout, Grid


class WrappedWindows(Dataset[Any]):
    """Windows of the same fields, grid and simulations as those that they are made of.

    Args:
        windows: What they are made of.
    """

    def __init__(self, windows: HybridDataset) -> None:
        self.windows = windows
        self.grid: Grid = windows.grid
        self.dt: float = windows.dt

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The input fields in the order of their channels."""
        return self.windows.layouts

    @property
    def output_layouts(self) -> tuple[FieldLayout, ...]:
        """The target fields in the order of their channels."""
        return self.windows.output_layouts

    @property
    def store(self) -> SimulationStore:
        """The folder that the simulations are in."""
        return self.windows.store

    @property
    def sim_indices(self) -> list[int]:
        """The simulations."""
        return self.windows.sim_indices

    def __len__(self) -> int:
        return len(self.windows)

    def __iter__(self) -> Iterator[Window]:
        return (self[index] for index in range(len(self)))

    def __getitems__(self, indices: Sequence[int]) -> WindowBatch:
        return WindowBatch(*self.gather(indices))

    def gather(self, indices: Sequence[int]) -> Window:
        """Several windows as one batch."""
        raise NotImplementedError
