"""Where a training runs: on the CPU, on a GPU, or in several processes with a GPU each.

Several processes are started by ``torchrun``, by Slurm's ``srun``, or by :func:`run_together`; all
three then train the same way.
"""

import logging
import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from logging.handlers import QueueHandler, QueueListener
from typing import Any

import torch
import torch.multiprocessing
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.plugins.environments.lightning import find_free_network_port

from hybrid_pde.config.schema import SyntheticTraining
from hybrid_pde.errors import ConfigError, UserError
from hybrid_pde.interruption import EXIT_CODE, Interrupted, StopRequest

_STARTED_HERE = "HYBRID_PDE_PROCESSES"  # number of processes that `run_together` started


class StatesInSinglePrecision(MixedPrecision):
    """Mixed precision whose inputs stay as they are: a state is what small increments add up in."""

    def convert_input(self, data: Any) -> Any:
        """The inputs as they are; autocast converts what the network computes with."""
        return data


def make_fabric(training: SyntheticTraining) -> Fabric:
    """The place where a training runs, ready for models.

    A batch job is not taken for one of many processes: only what ``torchrun``, ``srun`` or
    :func:`run_together` has started is.

    Args:
        training: ``devices`` and ``precision``.

    Raises:
        ConfigError: if there are not as many devices, or they lack the precision.
    """
    environment, local, nodes = _environment(training.devices)
    available = torch.cuda.device_count()
    if 0 < available < local:
        raise ConfigError(f"trainer_params.devices: {local}: there are {available} GPUs here")
    if training.precision == "fp16" and not available:
        raise ConfigError(
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


def num_processes(devices: int) -> int:
    """How many processes were started to train together, this one among them."""
    if TorchElasticEnvironment.detect():
        return int(os.environ["WORLD_SIZE"])
    # a batch script sees the tasks of its allocation too; only `srun` makes a step of them
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if devices > 1 and tasks > 1:
        return tasks
    return int(os.environ.get(_STARTED_HERE, "1"))


def run_together(function: Callable[..., Any], arguments: Sequence[Any], processes: int) -> None:
    """Call ``function(*arguments)`` in new processes that train together, and wait for them.

    Their messages go to the handlers of this process. An error that the user can mend is raised
    here as it was there.

    Args:
        function: Importable by its name.
        arguments: What can be pickled.
        processes: How many.
    """
    context = torch.multiprocessing.get_context("spawn")
    records, errors = context.Queue(), context.SimpleQueue()
    listener = QueueListener(records, *logging.getLogger().handlers, respect_handler_level=True)
    listener.start()
    threads = max(1, torch.get_num_threads() // processes)
    # as bytes: tensors among a new process's arguments would lie in memory that all of them change
    call = pickle.dumps((function, tuple(arguments)))
    shared = (processes, find_free_network_port(), threads, records, errors, call)
    try:
        _start_and_wait(shared, processes)
    except torch.multiprocessing.ProcessRaisedException:
        if errors.empty():
            raise
        raise errors.get() from None
    finally:
        listener.stop()


def _start_and_wait(shared: tuple[Any, ...], processes: int) -> None:
    """What ends this process ends the others, which save before."""
    with StopRequest() as stop:
        context = torch.multiprocessing.start_processes(
            _process, shared, processes, join=False, start_method="spawn"
        )
        told = False
        try:
            while not context.join(timeout=0.2):
                if stop.number is not None and not told:
                    told = True
                    for process in context.processes:
                        process.terminate()
        except torch.multiprocessing.ProcessExitedException as error:
            if error.exit_code != EXIT_CODE:
                raise
            raise Interrupted(stop.number or signal.SIGTERM) from None


def _process(
    rank: int,
    processes: int,
    port: int,
    threads: int,
    records: Any,
    errors: Any,
    call: bytes,
) -> None:
    os.environ |= {
        _STARTED_HERE: str(processes),
        "LOCAL_RANK": str(rank),
        "RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": str(threads),
    }
    torch.set_num_threads(threads)
    level = logging.INFO if rank == 0 else logging.ERROR
    logging.basicConfig(level=level, handlers=[QueueHandler(records)], force=True)
    logging.captureWarnings(True)
    function, arguments = pickle.loads(call)  # of the process that started this one
    try:
        function(*arguments)
    except UserError as error:
        errors.put(error)
        raise
    except Interrupted:  # which torch would take for a good end
        sys.exit(EXIT_CODE)
    # not after an error: it would wait for processes that wait for this one
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _environment(devices: int) -> tuple[ClusterEnvironment, int, int]:
    """Who started the processes, how many of them on this machine, and on how many machines."""
    count = num_processes(devices)
    if TorchElasticEnvironment.detect():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return TorchElasticEnvironment(), local, count // local
    if _STARTED_HERE in os.environ:
        return LightningEnvironment(), count, 1
    if count > 1:
        if "SLURM_NTASKS_PER_NODE" not in os.environ:  # Fabric asks for it
            raise ConfigError(
                f"trainer_params.devices: {devices}: srun has to be told how many processes a node "
                "gets: --ntasks-per-node instead of --ntasks"
            )
        nodes = int(os.environ.get("SLURM_STEP_NUM_NODES", "1"))
        return SLURMEnvironment(), count // nodes, nodes
    if devices > 1:
        raise ConfigError(
            f"trainer_params.devices: {devices}: this is one process; the stage that trains the "
            f"surrogate starts {devices} itself, a program of your own starts them with "
            f"torchrun --nproc-per-node {devices}"
        )
    return LightningEnvironment(), 1, 1
