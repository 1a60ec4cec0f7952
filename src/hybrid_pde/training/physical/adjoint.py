"""The loss of windows with its reverse-mode derivative in little memory.

The rollout is cut into segments of about the root of its number of frames. Only the states between
them are kept; on the way back a segment is computed again. The steps of a frame are cut likewise.

Source: Griewank and Walther (2008), Evaluating Derivatives, chapter 12.
"""

from collections.abc import Sequence
from math import ceil, sqrt
from typing import TYPE_CHECKING

import torch
from torch.utils.checkpoint import checkpoint

from hybrid_pde.training.physical.observation_times import conditions_at, stops_of

if TYPE_CHECKING:
    from hybrid_pde.training.physical.objective import Objective


def window_gradient(
    objective: "Objective", z: torch.Tensor, numbers: Sequence[int]
) -> torch.Tensor:
    """Share of the loss of some windows, differentiable by ``z``.

    Args:
        objective: What is minimized.
        z: All unknowns, ``[n]``.
        numbers: Windows of equal course.
    """
    observations, size = objective.observations, len(objective.vector)
    stops = stops_of(observations, numbers, objective.dt)
    length = ceil(sqrt(len(stops)))
    if objective.states is None:
        state = observations.initial(numbers)
    else:
        state = objective.states.states(z[size:], numbers)
    names = list(state)
    total = objective.initial_misfit(z, numbers)
    conditions = observations.conditions(numbers)
    entries = [f"window {number}" for number in numbers]

    def advance(begin: int, z: torch.Tensor, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        part = stops[begin : begin + length]
        before = stops[begin - 1].time if begin else 0.0
        loss = torch.zeros((), dtype=torch.float64)
        now = dict(zip(names, values, strict=True))
        frames = objective.model.rollout(
            now,
            observations.grid,
            len(part),
            [stop.interval for stop in part],
            objective.vector.decode(z[:size]),
            entries,
            conditions_at(conditions, part, before),
        )
        for stop, now in zip(part, frames, strict=True):
            objective.substeps_used = max(objective.substeps_used, objective.model.substeps_used)
            if stop.frame is not None or stop.reading is not None:
                loss = loss + objective.misfit(numbers, stop, now)
        return loss, *(now[name] for name in names)

    for begin in range(0, len(stops), length):
        # The other kind of checkpoint hooks into saved tensors, which compiled steps do not bear.
        loss, *values = checkpoint(
            advance, begin, z, *(state[name] for name in names), use_reentrant=True
        )
        total = total + loss
        state = dict(zip(names, values, strict=True))
    return total
