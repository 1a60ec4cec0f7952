"""Collective operations of the processes that train together; all of them call each together."""

from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from hybrid_pde.config.schema import SyntheticTraining
from hybrid_pde.training.synthetic.processes import num_processes
from hybrid_pde.training.synthetic.single_process import SingleProcess

if TYPE_CHECKING:  # its import takes 3 s
    from lightning_fabric import Fabric

Processes: TypeAlias = "Fabric | SingleProcess"


def join_processes(training: SyntheticTraining) -> Processes:
    """The processes that train together, as this one sees them.

    Args:
        training: ``devices`` and ``precision``.

    Raises:
        MachineError: if there are too few devices, or they do not support the precision.
    """
    is_plain = training.devices == 1 and training.precision == "single"
    if is_plain and num_processes(1) == 1 and not torch.accelerator.is_available():
        return SingleProcess()
    from hybrid_pde.training.synthetic.fabric_processes import make_fabric

    return make_fabric(training)


def max_over_processes(fabric: Processes, value: int) -> int:
    """The largest of the values of all processes."""
    if fabric.world_size == 1:
        return value
    reduced = fabric.all_reduce(torch.tensor(value, device=fabric.device), reduce_op="max")
    assert isinstance(reduced, torch.Tensor)
    return int(reduced)


def mean_over_processes(fabric: Processes, value: torch.Tensor) -> torch.Tensor:
    """The mean of the values of all processes."""
    if fabric.world_size == 1:
        return value
    reduced = fabric.all_reduce(value.to(fabric.device), reduce_op="mean")
    assert isinstance(reduced, torch.Tensor)
    return reduced


def gather_from_processes(fabric: Processes, own: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of all processes, by rank."""
    if fabric.world_size == 1:
        return [own]
    found: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(found, own)
    return found
