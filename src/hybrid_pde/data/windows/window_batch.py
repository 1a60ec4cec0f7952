"""Windows, and batches of them that are gathered at once instead of one by one.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, overload

import torch

from hybrid_pde.data.windows.batch_memory import announce, stacked
from hybrid_pde.domain.grid import FieldLayout, Grid

# input [C_in, *space], targets [T, C_out, *space] and, where they do not count alike, the weights
# of the targets [T, C_out, *space]; in a batch with an axis B before.
Window = tuple[torch.Tensor, ...]


class WindowBatch(Sequence[Window]):
    """Windows whose tensors are the rows of large ones.

    It is what ``torch.utils.data.DataLoader`` gets from a data set's ``__getitems__``: its default
    ``collate_fn`` takes it for a list of windows and stacks them again, :func:`collate_windows`
    takes the large tensors as they are.

    Args:
        inputs: ``[B, C_in, *space]``.
        targets: ``[B, T, C_out, *space]``.
        weights: Of the targets, ``[B, T, C_out, *space]``; without them all count alike.
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
    """A data set of windows, real, generated or mixed."""

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
    """The ``collate_fn`` for data sets of windows: takes gathered batches without a copy.

    Where only some of the windows have weights, the values of the others weigh 1.
    """
    if isinstance(batch, WindowBatch):
        return batch.tensors
    announce(part for window in batch for part in window)
    inputs, targets = (stacked([window[part] for window in batch]) for part in (0, 1))
    if all(len(window) == 2 for window in batch):
        return inputs, targets
    weights = [window[2] if len(window) > 2 else torch.ones_like(window[1]) for window in batch]
    return inputs, targets, stacked(weights)
