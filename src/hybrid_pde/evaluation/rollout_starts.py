"""Initial state and reference solution of a rollout on a held-out simulation.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import TENSOR_PREFIX, KnownParameter
from hybrid_pde.errors import ConfigError, RawDataError


class Simulation(Protocol):
    """Interface of a cached simulation."""

    @property
    def dt(self) -> float:
        """Time between frames [time]."""

    @property
    def grid(self) -> Grid:
        """Grid of the values."""

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """All fields, including static ones."""

    @property
    def fields(self) -> Mapping[str, torch.Tensor]:
        """Values ``[T, C, *space]``, static ones without ``T``; read on access, NaN if missing."""

    @property
    def known(self) -> Mapping[str, torch.Tensor]:
        """Values of the known parameters, ``[T, …]`` if they change in time."""


@dataclass(frozen=True)
class RolloutStart:
    """Start of a rollout and the truth to compare it with.

    Attributes:
        frame: Frame of the simulation at which the rollout starts.
        filled: Number of missing values in that frame, which have been filled.
        initial: ``[1, C, *space]`` for each field, and the known parameters from that frame on.
        truth: ``[steps + 1, C, *space]`` for each field that changes in time, NaN if missing.
    """

    frame: int
    filled: int
    initial: dict[str, torch.Tensor]
    truth: dict[str, NDArray[Any]]

    @property
    def steps(self) -> int:
        """Length of the rollout."""
        return len(next(iter(self.truth.values()))) - 1


def find_start(
    index: int, simulation: Simulation, num_steps: int | None, known: Sequence[KnownParameter]
) -> RolloutStart:
    """Find the start of a rollout: the first frame, if it has no missing values.

    Otherwise the earliest frame with the fewest missing values in the first half of the simulation
    that leaves room for ``num_steps``. Missing values in it are filled with their nearest
    neighbours, which ``filled`` counts.

    Args:
        index: Number of the simulation.
        simulation: The simulation.
        num_steps: Length of the rollout; ``None`` for all frames after the start.
        known: The simulation's known parameters.

    Raises:
        ConfigError: if the simulation is shorter than ``num_steps``.
        RawDataError: if a whole channel is missing in that frame.
    """
    dynamic = [layout.name for layout in simulation.layouts if not layout.static]
    frames = min(len(simulation.fields[name]) for name in dynamic)
    if frames - 1 < max(1, num_steps or 1):
        raise ConfigError(
            f"evaluation_params.num_steps: {num_steps}: simulation {index} has "
            f"{frames - 1} frames after its first; lower it, or use null for all frames"
        )
    fields = {name: simulation.fields[name] for name in dynamic}
    latest = min(frames // 2, frames - (num_steps or 1))
    frame, missing = _most_complete(fields, max(1, latest))
    initial = {layout.name: simulation.fields[layout.name] for layout in simulation.layouts}
    initial |= {
        name: _filled(index, name, fields[name][frame], simulation.grid) for name in dynamic
    }
    for each in known:
        values = simulation.known[each.name]
        initial[TENSOR_PREFIX + each.name] = values if each.static else values[frame:]
    last = frame + 1 + (num_steps or frames - 1 - frame)
    return RolloutStart(
        frame,
        missing,
        {name: values.unsqueeze(0) for name, values in initial.items()},
        {name: values[frame:last].numpy() for name, values in fields.items()},
    )


def _most_complete(fields: Mapping[str, torch.Tensor], frames: int) -> tuple[int, int]:
    """Earliest of the first frames with the fewest missing values, and their number."""
    best, fewest = 0, -1
    for frame in range(frames):
        missing = sum(int(torch.isnan(values[frame]).sum()) for values in fields.values())
        if fewest < 0 or missing < fewest:
            best, fewest = frame, missing
        if not fewest:
            break
    return best, fewest


def _filled(index: int, name: str, state: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Fill missing values of a state ``[C, *space]`` with their nearest neighbours."""
    missing = torch.isnan(state).numpy()
    if not missing.any():
        return state
    if missing.reshape(len(missing), -1).all(axis=1).any():
        raise RawDataError(
            f"simulation {index}: no frame in its first half has values of {name!r} to start a "
            "rollout; remove it from trainer_params.test_sim, or choose another interval with "
            "data.select.time"
        )
    from scipy.ndimage import distance_transform_edt  # slow to import, rarely needed

    channels = []
    for values, holes in zip(state.numpy(), missing, strict=True):
        nearest = distance_transform_edt(
            holes, sampling=grid.spacing, return_distances=False, return_indices=True
        )
        channels.append(values[tuple(nearest)])
    return torch.from_numpy(np.stack(channels))
