"""Number of threads of the numerical libraries."""

import os

import torch


def limit_threads(threads: int) -> int:
    """Let torch use the threads that the rule was given, and no more than there are cores.

    ``snakemake --cores 8`` is also what users of two cores type; eight threads on two cores make
    small convolutions thirty times slower.

    Returns:
        The number of threads that are used.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    used = max(1, min(threads, available or 1))
    torch.set_num_threads(used)
    return used
