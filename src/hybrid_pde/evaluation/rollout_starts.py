"""What a rollout on a held-out simulation starts from, and what it is compared with.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import TENSOR_PREFIX, KnownParameter
from hybrid_pde.errors import ConfigError

logger = logging.getLogger(__name__)


class Simulation(Protocol):
    """A cached simulation: ``fields`` holds ``[T, C, *space]``, static ones without ``T``."""

    @property
    def dt(self) -> float:
        """Time between frames [time]."""

    @property
    def grid(self) -> Grid:
        """Where the values lie."""

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The fields, static ones included."""

    @property
    def fields(self) -> Mapping[str, torch.Tensor]:
        """The values, read when subscripted; NaN where missing."""

    @property
    def known(self) -> Mapping[str, torch.Tensor]:
        """Values of the known parameters, ``[T, …]`` for those that change in time."""


@dataclass(frozen=True)
class Beginning:
    """Where a rollout starts, and the truth after it.

    Attributes:
        frame: Frame of the simulation that it starts from.
        filled: Number of missing values in that frame, which are filled.
        initial: ``[1, C, *space]`` for each field, and the known parameters from that frame on.
        truth: ``[steps + 1, C, *space]`` for each field that changes in time, NaN where missing.
    """

    frame: int
    filled: int
    initial: dict[str, torch.Tensor]
    truth: dict[str, NDArray[Any]]

    @property
    def steps(self) -> int:
        """Length of the rollout."""
        return len(next(iter(self.truth.values()))) - 1


def begin(
    index: int, simulation: Simulation, num_steps: int | None, known: Sequence[KnownParameter]
) -> Beginning:
    """Where the rollout on a simulation starts: at its first frame, if no value is missing there.

    Else it is the frame with the fewest missing values (the earliest of those) in the first half
    of the simulation, and as early as ``num_steps`` asks. Values missing there are filled with the
    nearest that is not, with a warning.

    Args:
        index: Number of the simulation.
        simulation: The simulation.
        num_steps: Length of the rollout; ``None`` takes all frames after its start.
        known: The simulation's known parameters.

    Raises:
        ConfigError: if the simulation is shorter than ``num_steps``, or all of a channel is
            missing in that frame.
    """
    dynamic = [layout.name for layout in simulation.layouts if not layout.static]
    frames = min(len(simulation.fields[name]) for name in dynamic)
    if frames - 1 < max(1, num_steps or 1):
        raise ConfigError(
            f"evaluation_params.num_steps: {num_steps}: simulation {index} has "
            f"{frames - 1} frames after its first; use at most that, or null for all"
        )
    fields = {name: simulation.fields[name] for name in dynamic}
    latest = min(frames // 2, frames - (num_steps or 1))
    frame, missing = _most_complete(fields, max(1, latest))
    if missing:
        logger.warning(
            "simulation %d: %d values are missing in frame %d, where its rollout starts; they are "
            "filled with their nearest neighbours, which the errors contain", index, missing, frame,
        )  # fmt: skip
    initial = {layout.name: simulation.fields[layout.name] for layout in simulation.layouts}
    initial |= {
        name: _filled(index, name, fields[name][frame], simulation.grid) for name in dynamic
    }
    for each in known:
        values = simulation.known[each.name]
        initial[TENSOR_PREFIX + each.name] = values if each.static else values[frame:]
    last = frame + 1 + (num_steps or frames - 1 - frame)
    return Beginning(
        frame,
        missing,
        {name: values.unsqueeze(0) for name, values in initial.items()},
        {name: values[frame:last].numpy() for name, values in fields.items()},
    )


def _most_complete(fields: Mapping[str, torch.Tensor], frames: int) -> tuple[int, int]:
    """Among the first frames the earliest with the fewest missing values, and their number."""
    best, fewest = 0, -1
    for frame in range(frames):
        missing = sum(int(torch.isnan(values[frame]).sum()) for values in fields.values())
        if fewest < 0 or missing < fewest:
            best, fewest = frame, missing
        if not fewest:
            break
    return best, fewest


def _filled(index: int, name: str, state: torch.Tensor, grid: Grid) -> torch.Tensor:
    """The state ``[C, *space]`` with the nearest value in the place of each that is missing."""
    missing = torch.isnan(state).numpy()
    if not missing.any():
        return state
    if missing.reshape(len(missing), -1).all(axis=1).any():
        raise ConfigError(
            f"simulation {index}: no frame in its first half has values of {name!r} to start a "
            "rollout from; leave it out of trainer_params.test_sim, or read from another time on "
            "with data.select.time"
        )
    channels = []
    for values, holes in zip(state.numpy(), missing, strict=True):
        nearest = distance_transform_edt(
            holes, sampling=grid.spacing, return_distances=False, return_indices=True
        )
        channels.append(values[tuple(nearest)])
    return torch.from_numpy(np.stack(channels))
