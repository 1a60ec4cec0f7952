"""Simulations made with a physical model, from drawn initial states.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from src.data.fields import from_field, to_field
from src.data.grid import FieldLayout, Grid
from src.errors import DivergenceError
from src.models.physical.physical_model import PhysicalModel

GROUP = 5  # simulations advanced together; more are hardly faster, and the last group costs more

State = dict[str, np.ndarray]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """What is simulated: where, which fields, and how long."""

    grid: Grid
    layouts: Sequence[FieldLayout]
    steps: int
    dt: float


def generate(
    model: PhysicalModel,
    recording: Recording,
    initial_state: Callable[[int], State],
    wanted: Collection[int],
) -> Iterator[tuple[int, State]]:
    """Simulate in groups of neighbours, always the whole group.

    The members of a group share their time steps. Since a group is the same whatever is wanted of
    it, a simulation depends neither on the shard that it is made in nor on an interruption.

    Args:
        model: The equation with its parameters.
        recording: Grid, fields, number of steps and dt.
        initial_state: The state ``[C, *space]`` of each field from which simulation ``i`` starts.
        wanted: The simulations to make.

    Yields:
        The index and ``[T, C, *space]`` for each field, T being the steps and the start. A
        simulation that diverges is left out, with a warning.
    """
    for number in sorted({index // GROUP for index in wanted}):
        group = range(number * GROUP, (number + 1) * GROUP)
        try:
            simulated = _simulate(model, recording, [initial_state(i) for i in group])
        except DivergenceError:
            simulated = _simulate_singly(model, recording, initial_state, group, wanted)
        for index, fields in zip(group, simulated, strict=True):
            if index in wanted and fields is not None:
                yield index, fields


def _simulate_singly(
    model: PhysicalModel,
    recording: Recording,
    initial_state: Callable[[int], State],
    group: Sequence[int],
    wanted: Collection[int],
) -> list[State | None]:
    """Each simulation on its own, so that one that diverges does not take the others with it."""
    result: list[State | None] = []
    for index in group:
        try:
            result.extend(_simulate(model, recording, [initial_state(index)]))
        except DivergenceError as error:
            if index in wanted:
                logger.warning("generated simulation %d is left out: %s", index, error)
            result.append(None)
    return result


def _simulate(
    model: PhysicalModel, recording: Recording, starts: Sequence[Mapping[str, np.ndarray]]
) -> list[State | None]:
    grid = recording.grid
    initial = {
        layout.name: torch.from_numpy(np.stack([start[layout.name] for start in starts]))
        for layout in recording.layouts
    }
    fields = {
        layout.name: to_field(initial[layout.name], grid, layout) for layout in recording.layouts
    }
    with torch.no_grad():
        trajectory = model.predict_trajectory(fields, recording.steps, recording.dt)
    frames = {
        layout.name: torch.stack(
            [
                initial[layout.name],
                *(
                    from_field(field, grid, layout).to(initial[layout.name])
                    for field in trajectory[layout.name]
                ),
            ],
            dim=1,
        )
        .float()
        .numpy()
        for layout in recording.layouts
    }
    return [{name: values[i] for name, values in frames.items()} for i in range(len(starts))]
