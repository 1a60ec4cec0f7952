"""Batches of simulations that are rolled out together, which is faster than one by one.

Layout: ``B`` simulations, ``T`` frames, ``C`` channels, then space.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from hybrid_pde.evaluation.predictors import Predictor, State
from hybrid_pde.evaluation.rollout_starts import RolloutStart, Simulation

MAX_SIMULATIONS = (
    8  # per rollout; larger batches gain little, since a solver's cost is then per value
)
MAX_BYTES = 2**27  # of the truth of a batch; each prediction temporarily takes as much


@dataclass(frozen=True)
class HeldOut:
    """A held-out simulation and the start of its rollout."""

    index: int
    simulation: Simulation
    start: RolloutStart


def group_batches(
    simulations: Iterable[HeldOut], largest: int = MAX_SIMULATIONS
) -> Iterator[list[HeldOut]]:
    """Group consecutive simulations with the same grid and rollout length into batches.

    Args:
        simulations: Simulations, read one after the other.
        largest: Largest number of simulations per batch; memory may limit it further.
    """
    batch: list[HeldOut] = []
    for each in simulations:
        room = MAX_BYTES // sum(values.nbytes for values in each.start.truth.values())
        if batch and (len(batch) >= min(largest, room) or _batch_key(each) != _batch_key(batch[0])):
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch


def stack_states(states: Sequence[State]) -> dict[str, torch.Tensor]:
    """Concatenate initial states ``[1, …]`` to ``[B, …]``."""
    return {name: torch.cat([state[name] for state in states]) for name in states[0]}


def roll_out(predictor: Predictor, initial: State, steps: int) -> dict[str, torch.Tensor]:
    """Roll out a predictor from ``[B, C, *space]`` to ``[B, steps, C, *space]``.

    A solver stops the whole batch when one simulation diverges. If any value is not finite, each
    simulation is therefore rolled out again separately.
    """
    found = predictor(initial, steps)
    count = len(next(iter(initial.values())))
    if count == 1 or all(bool(torch.isfinite(values).all()) for values in found.values()):
        return dict(found)
    separate = [
        predictor({name: values[at : at + 1] for name, values in initial.items()}, steps)
        for at in range(count)
    ]
    return stack_states(separate)


def _batch_key(each: HeldOut) -> tuple[object, ...]:
    """Properties shared by all simulations of a batch."""
    shapes = tuple((name, values.shape) for name, values in each.start.initial.items())
    return each.simulation.dt, each.simulation.grid, each.start.steps, shapes
