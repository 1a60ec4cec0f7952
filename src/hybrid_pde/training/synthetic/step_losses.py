"""Losses and gradient norms of the steps of an epoch, checked for finite values."""

import math
from dataclasses import dataclass

import torch

# Steps between two checks on a GPU, which waits for all its kernels at each of them.
STEPS_BETWEEN_CHECKS = 16


@dataclass(frozen=True)
class NotFinite:
    """The first value of an epoch that is not finite.

    Attributes:
        what: ``loss`` or ``gradient``.
        value: Infinity or NaN.
        batch: Number of its batch, from 1.
    """

    what: str
    value: float
    batch: int


class StepLosses:
    """Sums the losses of an epoch, and finds values that are not finite.

    On the CPU every step is checked before the weights change. On a GPU several steps are checked
    at once, at the latest before a checkpoint or the end of the epoch, so that no such value is
    lost.

    Args:
        device: Device of the losses.
        total: Sum of the losses so far, each times its number of windows.
        windows: Number of windows so far.
    """

    def __init__(self, device: torch.device, total: float = 0.0, windows: int = 0) -> None:
        self.total, self.windows = total, windows
        self._interval = 1 if device.type == "cpu" else STEPS_BETWEEN_CHECKS
        self._steps = 0
        self._pending: list[tuple[str, int, int, torch.Tensor]] = []

    def add(self, batch: int, loss: torch.Tensor, windows: int) -> None:
        """Add the loss of a batch of so many windows."""
        self._pending.append(("loss", batch, windows, loss))

    def add_norm(self, norm: torch.Tensor | None) -> None:
        """End a step, with the norm of its gradient if that must be finite."""
        self._steps += 1
        if norm is not None:
            self._pending.append(("gradient", self._pending[-1][1], 0, norm))

    @property
    def is_due(self) -> bool:
        """True if enough steps have passed for a check."""
        return self._steps >= self._interval

    @property
    def is_checked(self) -> bool:
        """True if every step has been checked."""
        return not self._pending

    def check(self) -> NotFinite | None:
        """Add the pending losses to the sums; returns the first value that is not finite."""
        pending, self._pending, self._steps = self._pending, [], 0
        values = self._values([value for *_, value in pending])
        found = None
        for (what, batch, windows, _), value in zip(pending, values, strict=True):
            self.total += value * windows
            self.windows += windows
            if found is None and not math.isfinite(value):
                found = NotFinite(what, value, batch)
        return found

    def _values(self, tensors: list[torch.Tensor]) -> list[float]:
        """The numbers, copied from the device at once."""
        if self._interval == 1:
            return [tensor.item() for tensor in tensors]
        return torch.stack([tensor.double() for tensor in tensors]).tolist()
