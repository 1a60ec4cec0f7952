"""Simulations that are rolled out together, which costs much less than one after the other.

Layout: ``B`` simulations, ``T`` frames, ``C`` channels, then space.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from hybrid_pde.evaluation.predictors import Predictor, State
from hybrid_pde.evaluation.rollout_starts import Beginning, Simulation

MAX_SIMULATIONS = 8  # in one rollout; more gain little (a solver's cost is then per value)
MAX_BYTES = 2**27  # of the truth of such a batch; predictions take as much, each for a while


@dataclass(frozen=True)
class HeldOut:
    """A simulation that is evaluated, and where its rollout starts."""

    index: int
    simulation: Simulation
    beginning: Beginning


def batched(
    simulations: Iterable[HeldOut], largest: int = MAX_SIMULATIONS
) -> Iterator[list[HeldOut]]:
    """Neighbours with rollouts of the same length on the same grid, as many as memory allows.

    Args:
        simulations: Read one after the other.
        largest: Most simulations in a batch.
    """
    batch: list[HeldOut] = []
    for each in simulations:
        room = MAX_BYTES // sum(values.nbytes for values in each.beginning.truth.values())
        if batch and (len(batch) >= min(largest, room) or _kind(each) != _kind(batch[0])):
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch


def stacked(states: Sequence[State]) -> dict[str, torch.Tensor]:
    """Initial states ``[1, …]`` as one ``[B, …]``."""
    return {name: torch.cat([state[name] for state in states]) for name in states[0]}


def rolled_out(predictor: Predictor, initial: State, steps: int) -> dict[str, torch.Tensor]:
    """A predictor's rollouts ``[B, steps, C, *space]`` from ``[B, C, *space]``.

    A solver stops for all simulations of a batch when it stops for one. Where any value is not
    finite, the simulations are therefore rolled out once more, each by itself.
    """
    found = predictor(initial, steps)
    count = len(next(iter(initial.values())))
    if count == 1 or all(bool(torch.isfinite(values).all()) for values in found.values()):
        return dict(found)
    alone = [
        predictor({name: values[at : at + 1] for name, values in initial.items()}, steps)
        for at in range(count)
    ]
    return stacked(alone)


def _kind(each: HeldOut) -> tuple[object, ...]:
    """What simulations of one batch have in common."""
    shapes = tuple((name, values.shape) for name, values in each.beginning.initial.items())
    return each.simulation.dt, each.simulation.grid, each.beginning.steps, shapes
