"""A single process on the CPU in single precision, with what the trainers use of Fabric."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch.nn.utils import clip_grad_norm_

Value = TypeVar("Value")


class SingleProcess:
    """Stands for :class:`lightning_fabric.Fabric`, whose import takes 3 s, where it does nothing.

    Attributes:
        device: The CPU.
        world_size: Number of processes, 1.
        global_rank: Number of this process, 0.
        is_global_zero: True, it is the first one.
    """

    device = torch.device("cpu")
    world_size = 1
    global_rank = 0
    is_global_zero = True

    def autocast(self) -> AbstractContextManager[None]:
        """A context that changes nothing."""
        return nullcontext()

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of the loss to that of the weights."""
        loss.backward()

    def clip_gradients(
        self,
        module: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        max_norm: float,
        error_if_nonfinite: bool,
    ) -> torch.Tensor:
        """Limit the gradient's norm; returns the norm before."""
        return clip_grad_norm_(module.parameters(), max_norm, error_if_nonfinite=error_if_nonfinite)

    def barrier(self) -> None:
        """Wait for no other process."""

    def broadcast(self, value: Value) -> Value:
        """The value of the first process."""
        return value

    def all_reduce(self, value: Any, *, reduce_op: str) -> Any:
        """The value of all processes together."""
        return value
