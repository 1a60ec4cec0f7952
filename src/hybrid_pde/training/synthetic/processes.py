"""Processes of a training, each with the CPU or a GPU.

Several processes are started by ``torchrun``, by Slurm's ``srun``, or by :func:`run_together`; the
training is the same.
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

from hybrid_pde.errors import UserError, make_log_printable
from hybrid_pde.interruption import EXIT_CODE, Interrupted, StopRequest
from hybrid_pde.training.subnormals import flush_subnormals

STARTED_HERE = "HYBRID_PDE_PROCESSES"  # number of processes started by `run_together`


def num_processes(devices: int) -> int:
    """Number of processes that train together, including this one."""
    if torch.distributed.is_torchelastic_launched():
        return int(os.environ["WORLD_SIZE"])
    # SLURM_NTASKS is also set in batch scripts; SLURM_STEP_* only within `srun`
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if devices > 1 and tasks > 1:
        return tasks
    return int(os.environ.get(STARTED_HERE, "1"))


def run_together(function: Callable[..., Any], arguments: Sequence[Any], processes: int) -> None:
    """Call ``function(*arguments)`` in new processes that train together, and wait for them.

    Their log records go to the handlers of this process. A :class:`UserError` of a process is
    raised here.

    Args:
        function: A function that can be imported by name.
        arguments: Arguments that can be pickled.
        processes: Number of processes.
    """
    from lightning_fabric.plugins.environments.lightning import find_free_network_port

    context = torch.multiprocessing.get_context("spawn")
    records, errors = context.Queue(), context.SimpleQueue()
    listener = QueueListener(records, *logging.getLogger().handlers, respect_handler_level=True)
    listener.start()
    threads = max(1, torch.get_num_threads() // processes)
    # pickled here: torch would put tensor arguments in memory shared and modified by all processes
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
    """Start the processes and forward a stop request to them; they save before they end."""
    with StopRequest() as stop:
        context = torch.multiprocessing.start_processes(
            _process, shared, processes, join=False, start_method="spawn"
        )
        is_forwarded = False
        try:
            while not context.join(timeout=0.2):
                if stop.number is not None and not is_forwarded:
                    is_forwarded = True
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
        STARTED_HERE: str(processes),
        "LOCAL_RANK": str(rank),
        "RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": str(threads),
    }
    flush_subnormals()
    torch.set_num_threads(threads)
    level = logging.INFO if rank == 0 else logging.ERROR
    logging.basicConfig(level=level, handlers=[QueueHandler(records)], force=True)
    logging.captureWarnings(True)
    make_log_printable()
    function, arguments = pickle.loads(call)  # from the parent process
    try:
        function(*arguments)
    except UserError as error:
        errors.put(error)
        raise
    except Interrupted:  # torch would treat it as success
        sys.exit(EXIT_CODE)
    # not after an error, which would be a deadlock
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
