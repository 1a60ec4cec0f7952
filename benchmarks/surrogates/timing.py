"""How long things take beside each other."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ROUNDS = 5


@dataclass(frozen=True)
class Seconds:
    """Time of one run [s]: that passed, and that the process's threads computed."""

    wall: float
    cpu: float


def seconds(function: Callable[[], Any]) -> Seconds:
    """How long a function takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def fastest(functions: Sequence[Callable[[], Any]], rounds: int = ROUNDS) -> list[Seconds]:
    """Shortest times of each, taken in turn so that a busy moment hits all; one run to warm up."""
    runs = [[seconds(function) for function in functions] for _ in range(rounds + 1)][1:]
    columns = list(zip(*runs, strict=True))
    return [
        Seconds(min(run.wall for run in column), min(run.cpu for run in column))
        for column in columns
    ]
