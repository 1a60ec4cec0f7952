"""Run time per step of each predictor, for one simulation and for a batch."""

import time
from collections.abc import Mapping
from typing import Any

import torch

from hybrid_pde.domain.known_values import TENSOR_PREFIX
from hybrid_pde.evaluation.predictors import Predictor, State
from hybrid_pde.evaluation.rollout_batches import MAX_BYTES, MAX_SIMULATIONS

STEPS = 5  # timed per rollout: enough for the clock, and a solver's steps differ little
REPEATS = 3  # of the rollout; the fastest is the least disturbed


def time_predictors(
    predictors: Mapping[str, Predictor], initial: State, steps: int
) -> dict[str, Any]:
    """Measure the time per step (from one frame to the next) of each predictor.

    Each is run once beforehand, so that compilation is not included.

    Args:
        predictors: ``synthetic`` and ``physical``, if they exist, and persistence.
        initial: State of one simulation, ``[1, C, *space]``; a batch consists of copies of it.
        steps: Length of a rollout from it; at most 5 steps are timed.

    Returns:
        Seconds per step of each predictor, and ``batch``: ``simulations``, their number, and the
        seconds per step and simulation of each predictor. With both models also ``speedup``:
        ``one`` and ``batch``, the solver's time divided by the surrogate's. Predictors that
        diverge within these steps are left out.
    """
    steps = min(steps, STEPS)
    size = max(1, min(MAX_SIMULATIONS, MAX_BYTES // (steps * _num_bytes(initial))))
    batch = {name: values.expand(size, *values.shape[1:]) for name, values in initial.items()}
    single, together = (
        {
            name: seconds / count
            for name, predictor in predictors.items()
            if (seconds := seconds_per_step(predictor, state, steps)) is not None
        }
        for count, state in ((1, initial), (size, batch))
    )
    found: dict[str, Any] = {**single, "batch": {"simulations": size, **together}}
    speedup = {
        label: times["physical"] / times["synthetic"]
        for label, times in (("one", single), ("batch", together))
        if {"physical", "synthetic"} <= set(times)
    }
    return found | ({"speedup": speedup} if speedup else {})


def seconds_per_step(predictor: Predictor, state: State, steps: int) -> float | None:
    """Time per step of the fastest of several rollouts; ``None`` if they diverge.

    Args:
        predictor: The predictor, which is run once beforehand.
        state: Its initial state, ``[B, C, *space]``.
        steps: Length of the rollout; at most 5 steps are timed.
    """
    steps = min(steps, STEPS)
    found = predictor(state, steps)
    if not all(bool(torch.isfinite(values).all()) for values in found.values()):
        return None
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        predictor(state, steps)
        seconds.append(time.perf_counter() - start)
    return min(seconds) / steps


def _num_bytes(state: State) -> int:
    return sum(
        values.nbytes for name, values in state.items() if not name.startswith(TENSOR_PREFIX)
    )
