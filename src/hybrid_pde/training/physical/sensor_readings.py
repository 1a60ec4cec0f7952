"""Sensor readings during a window, and their prediction from states.

Layout of native tensors: ``B`` windows, ``C`` channels, ``X Y Z`` space; ``K`` times, ``S``
sensors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hybrid_pde.data.observations.sensors import SensorReadings
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.numerics.interpolation import interpolation_matrix


@dataclass(frozen=True)
class Readings:
    """Readings at arbitrary positions.

    Attributes:
        times: Times since the window's start [time], ascending, ``[K]``.
        indices: Points of the flattened grid for the interpolation, ``[K, S, P]``.
        weights: Interpolation weights, ``[K, S, P]``.
        values: Readings by field, ``[K, S, C]``; 0 if missing.
        present: Mask of existing readings by field, ``[K, S, C]``.
    """

    times: torch.Tensor
    indices: torch.Tensor
    weights: torch.Tensor
    values: Mapping[str, torch.Tensor]
    present: Mapping[str, torch.Tensor]

    @property
    def num_values(self) -> int:
        """Number of readings."""
        return sum(int(present.sum()) for present in self.present.values())

    def until(self, time: float) -> "Readings | None":
        """The readings up to a time since the start of the window; ``None`` without any."""
        kept = self.times <= time
        if not bool(kept.any()):
            return None
        return Readings(
            self.times[kept],
            self.indices[kept],
            self.weights[kept],
            {name: values[kept] for name, values in self.values.items()},
            {name: present[kept] for name, present in self.present.items()},
        )


def read_states(readings: Sequence[Readings], number: int, states: torch.Tensor) -> torch.Tensor:
    """Predicted sensor readings of each window at its ``number``-th time.

    Args:
        readings: Readings of each window of the batch.
        number: Index of the time.
        states: ``[G, B, C, *space]``, ``G`` states of each window.

    Returns:
        ``[G, B, S, C]``.
    """
    flat = states.flatten(3)
    read = [
        (flat[:, entry][..., each.indices[number]] * each.weights[number]).sum(-1)
        for entry, each in enumerate(readings)
    ]
    return torch.stack(read, dim=1).transpose(-1, -2)


def readings_during(
    found: SensorReadings,
    grid: Grid,
    layouts: Sequence[FieldLayout],
    start: float,
    frames: int,
    dt: float,
) -> Readings:
    """Readings after the start of a window until its last frame.

    Args:
        found: All readings of the simulation.
        grid: Grid of the fields.
        layouts: The fields.
        start: Time of the window's initial state [time].
        frames: Number of frames that follow it.
        dt: Time between frames [time].
    """
    since = found.times - start
    within = (since > 1e-9 * dt) & (since <= frames * dt * (1 + 1e-9))
    positions = found.positions[within]
    indices, weights = interpolation_matrix(grid, positions.reshape(-1, positions.shape[-1]))
    values, present = {}, {}
    for layout in layouts:
        shape = (*positions.shape[:2], layout.channels)
        read = np.full(shape, np.nan)
        if layout.name in found.values:
            read = found.values[layout.name][within].reshape(shape)
        is_present = np.isfinite(read)
        present[layout.name] = torch.from_numpy(is_present)
        values[layout.name] = torch.from_numpy(np.where(is_present, read, 0.0))
    return Readings(
        torch.from_numpy(since[within]),
        torch.as_tensor(indices).reshape(*positions.shape[:2], -1),
        torch.as_tensor(weights).reshape(*positions.shape[:2], -1),
        values,
        present,
    )
