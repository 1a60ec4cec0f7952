"""Batches of windows that are gathered at once, and their collate function.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, overload

import torch

from hybrid_pde.data.windows.batch_memory import announce, stacked
from hybrid_pde.domain.grid import FieldLayout, Grid

# input [C_in, *space], targets [T, C_out, *space] and, if they are not equal, the weights of the
# targets [T, C_out, *space]; in a batch with a leading axis B
Window = tuple[torch.Tensor, ...]


class WindowBatch(Sequence[Window]):
    """A sequence of windows stored as rows of large tensors.

    ``torch.utils.data.DataLoader`` gets it from a data set's ``__getitems__``: the default
    ``collate_fn`` stacks the windows again, :func:`collate_windows` uses the large tensors
    directly.

    Args:
        inputs: ``[B, C_in, *space]``.
        targets: ``[B, T, C_out, *space]``.
        weights: Weights of the targets, ``[B, T, C_out, *space]``; equal by default.
    """

    def __init__(
        self, inputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
    ) -> None:
        self.inputs = inputs
        self.targets = targets
        self.weights = weights

    @property
    def tensors(self) -> Window:
        """The large tensors."""
        weights = () if self.weights is None else (self.weights,)
        return self.inputs, self.targets, *weights

    def __len__(self) -> int:
        return len(self.inputs)

    @overload
    def __getitem__(self, index: int) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> "WindowBatch": ...
    def __getitem__(self, index: int | slice) -> "Window | WindowBatch":
        parts = tuple(tensor[index] for tensor in self.tensors)
        return WindowBatch(*parts) if isinstance(index, slice) else parts

    def __iter__(self) -> Iterator[Window]:
        return zip(*self.tensors, strict=True)


class WindowSource(Protocol):
    """A data set of real, generated or mixed windows."""

    dt: float
    grid: Grid

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The input fields."""

    @property
    def output_layouts(self) -> tuple[FieldLayout, ...]:
        """The target fields."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


def collate_windows(batch: Any) -> Window:
    """The ``collate_fn`` for data sets of windows; it uses gathered batches without a copy.

    If only some of the windows have weights, the others get weight 1.
    """
    if isinstance(batch, WindowBatch):
        return batch.tensors
    announce(part for window in batch for part in window)
    inputs, targets = (stacked([window[part] for window in batch]) for part in (0, 1))
    if all(len(window) == 2 for window in batch):
        return inputs, targets
    weights = [window[2] if len(window) > 2 else torch.ones_like(window[1]) for window in batch]
    return inputs, targets, stacked(weights)
