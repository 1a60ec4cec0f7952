"""The launched Fabric of a process: its device, its precision, and the processes beside it."""

import os
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)

from hybrid_pde.config.schema import SyntheticTraining
from hybrid_pde.errors import MachineError
from hybrid_pde.training.synthetic.processes import STARTED_HERE, num_processes


class StatesInSinglePrecision(MixedPrecision):
    """Mixed precision with inputs in single precision, since states accumulate small increments."""

    def convert_input(self, data: Any) -> Any:
        """The unchanged inputs; autocast converts them inside the network."""
        return data


def make_fabric(training: SyntheticTraining) -> Fabric:
    """The launched Fabric of this process.

    Only processes started by ``torchrun``, ``srun`` or :func:`run_together` train together; a batch
    job itself counts as a single process.

    Args:
        training: ``devices`` and ``precision``.

    Raises:
        MachineError: if there are too few devices, or they do not support the precision.
    """
    environment, local, nodes = _environment(training.devices)
    available = torch.cuda.device_count()
    if 0 < available < local:
        raise MachineError(f"trainer_params.devices: {local}: there are {available} GPUs here")
    if training.precision == "fp16" and not available:
        raise MachineError(
            "trainer_params.precision: fp16: it needs a GPU, and there is none here; "
            "bf16 and single run on a CPU"
        )
    plugins: list[Any] = [environment]
    if training.precision != "single":
        plugins.append(
            StatesInSinglePrecision(
                "bf16-mixed" if training.precision == "bf16" else "16-mixed",
                "cuda" if available else "cpu",
            )
        )
    fabric = Fabric(
        accelerator="auto",
        devices=local,
        num_nodes=nodes,
        strategy="ddp" if local * nodes > 1 else "auto",
        plugins=plugins,
    )
    fabric.launch()
    return fabric


def _environment(devices: int) -> tuple[ClusterEnvironment, int, int]:
    """Launcher of the processes, number of them on this machine, and number of machines."""
    count = num_processes(devices)
    if torch.distributed.is_torchelastic_launched():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return TorchElasticEnvironment(), local, count // local
    if STARTED_HERE in os.environ:
        return LightningEnvironment(), count, 1
    if count > 1:
        if "SLURM_NTASKS_PER_NODE" not in os.environ:  # required by Fabric
            raise MachineError(
                f"trainer_params.devices: {devices}: srun needs the number of processes per node; "
                "use --ntasks-per-node instead of --ntasks"
            )
        nodes = int(os.environ.get("SLURM_STEP_NUM_NODES", "1"))
        return SLURMEnvironment(), count // nodes, nodes
    if devices > 1:
        raise MachineError(
            f"trainer_params.devices: {devices}: this is a single process; the stage "
            f"train_synthetic starts {devices} processes itself, your own program must be started "
            f"with torchrun --nproc-per-node {devices}"
        )
    return LightningEnvironment(), 1, 1
