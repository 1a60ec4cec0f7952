"""Comparison of run times."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ROUNDS = 5


@dataclass(frozen=True)
class Seconds:
    """Time of one run [s]: wall time, and processor time of all threads."""

    wall: float
    cpu: float


def seconds(function: Callable[[], Any]) -> Seconds:
    """Time of one call of a function."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def fastest(functions: Sequence[Callable[[], Any]], rounds: int = ROUNDS) -> list[Seconds]:
    """Shortest times of each, measured in turn so that other load affects all; one warm-up run."""
    runs = [[seconds(function) for function in functions] for _ in range(rounds + 1)][1:]
    columns = list(zip(*runs, strict=True))
    return [
        Seconds(min(run.wall for run in column), min(run.cpu for run in column))
        for column in columns
    ]
