"""Batches of windows that are gathered at once instead of one by one."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, overload

import torch

from src.data.grid import FieldLayout, Grid

Window = tuple[torch.Tensor, torch.Tensor]


class WindowBatch(Sequence[Window]):
    """Windows whose tensors are the rows of two large ones.

    It is what ``torch.utils.data.DataLoader`` gets from a data set's ``__getitems__``: its default
    ``collate_fn`` takes it for a list of windows and stacks them again, :func:`collate_windows`
    takes the large tensors as they are.

    Args:
        inputs: ``[B, C_in, *space]``.
        targets: ``[B, num_predict_steps, C_out, *space]``.
    """

    def __init__(self, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        self.inputs = inputs
        self.targets = targets

    def __len__(self) -> int:
        return len(self.inputs)

    @overload
    def __getitem__(self, index: int) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> "WindowBatch": ...
    def __getitem__(self, index: int | slice) -> "Window | WindowBatch":
        inputs, targets = self.inputs[index], self.targets[index]
        return WindowBatch(inputs, targets) if isinstance(index, slice) else (inputs, targets)

    def __iter__(self) -> Iterator[Window]:
        return zip(self.inputs, self.targets, strict=True)


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
    """The ``collate_fn`` for data sets of windows: takes gathered batches without a copy."""
    if isinstance(batch, WindowBatch):
        return batch.inputs, batch.targets
    inputs, targets = zip(*batch, strict=True)
    return torch.stack(inputs), torch.stack(targets)
