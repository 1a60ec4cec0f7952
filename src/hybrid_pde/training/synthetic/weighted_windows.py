"""Windows of generated simulations, of which some places count less than others.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Sequence

import torch

from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.data.windows.window_batch import Window
from hybrid_pde.training.synthetic.wrapped_windows import WrappedWindows


class WeightedWindows(WrappedWindows):
    """Windows with the same weight for all targets at a place.

    An item is ``(input [C_in, *space], targets [T, C_out, *space], weights [T, C_out, *space])``.

    Args:
        windows: The windows.
        weights: Of every channel and place, ``[C_out, *space]``.
    """

    def __init__(self, windows: HybridDataset, weights: torch.Tensor) -> None:
        super().__init__(windows)
        self._weights = weights

    def __getitem__(self, index: int) -> Window:
        state, targets = self.windows[index]
        return state, targets, self._weights.expand_as(targets)

    def gather(self, indices: Sequence[int]) -> Window:
        """Several windows as one batch."""
        state, targets = self.windows.gather(indices)
        return state, targets, self._weights.expand_as(targets)
