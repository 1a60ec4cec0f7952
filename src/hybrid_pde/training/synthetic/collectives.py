"""Collective operations of the processes that train together; all of them call each together."""

from typing import Any

import torch
from lightning_fabric import Fabric


def max_over_processes(fabric: Fabric, value: int) -> int:
    """The largest of the values of all processes."""
    if fabric.world_size == 1:
        return value
    reduced = fabric.all_reduce(torch.tensor(value, device=fabric.device), reduce_op="max")
    assert isinstance(reduced, torch.Tensor)
    return int(reduced)


def mean_over_processes(fabric: Fabric, value: torch.Tensor) -> torch.Tensor:
    """The mean of the values of all processes."""
    if fabric.world_size == 1:
        return value
    reduced = fabric.all_reduce(value.to(fabric.device), reduce_op="mean")
    assert isinstance(reduced, torch.Tensor)
    return reduced


def gather_from_processes(fabric: Fabric, own: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of all processes, by rank."""
    if fabric.world_size == 1:
        return [own]
    found: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(found, own)
    return found
