"""How long a step of each predictor takes, for one simulation and for a batch."""

import time
from collections.abc import Mapping
from typing import Any

import torch

from hybrid_pde.domain.known_values import TENSOR_PREFIX
from hybrid_pde.evaluation.predictors import Predictor, State
from hybrid_pde.evaluation.rollout_batches import MAX_BYTES, MAX_SIMULATIONS

STEPS = 5  # that are timed: enough for the clock, and a solver's steps differ little
REPEATS = 3  # of which the fastest counts: the others were disturbed


def time_predictors(
    predictors: Mapping[str, Predictor], initial: State, steps: int
) -> dict[str, Any]:
    """Seconds that a step (from one frame to the next) takes each predictor.

    Each is run once before, so that compilation is not in it.

    Args:
        predictors: ``synthetic`` and ``physical`` as far as they exist, and persistence.
        initial: State of one simulation, ``[1, C, *space]``; the batch is made of copies of it.
        steps: Length of a rollout from it; at most 5 of them are timed.

    Returns:
        Seconds a step for each predictor, and ``batch``: ``simulations``, their number, and for
        each predictor the seconds a step and simulation. With both models also ``speedup``:
        ``one`` and ``batch``, the solver's time divided by the surrogate's. A predictor that does
        not stay finite for so long has no time.
    """
    steps = min(steps, STEPS)
    size = max(1, min(MAX_SIMULATIONS, MAX_BYTES // (steps * _num_bytes(initial))))
    batch = {name: values.expand(size, *values.shape[1:]) for name, values in initial.items()}
    single, together = (
        {
            name: seconds / (steps * count)
            for name, predictor in predictors.items()
            if (seconds := _seconds(predictor, state, steps)) is not None
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


def _seconds(predictor: Predictor, state: State, steps: int) -> float | None:
    """Of the fastest of several rollouts; None if it is not finite."""
    found = predictor(state, steps)
    if not all(bool(torch.isfinite(values).all()) for values in found.values()):
        return None
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        predictor(state, steps)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _num_bytes(state: State) -> int:
    return sum(
        values.nbytes for name, values in state.items() if not name.startswith(TENSOR_PREFIX)
    )
