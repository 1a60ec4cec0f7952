"""What sensors read during a window, ready to be compared with a state.

Layout of native tensors: ``B`` windows, ``C`` channels, ``X Y Z`` space; ``K`` times, ``S``
sensors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Readings:
    """Readings at points between those of the grid.

    Attributes:
        times: Times since the window's start [time], ascending, ``[K]``.
        indices: Points of the flattened grid that make up each reading, ``[K, S, P]``.
        weights: Their weights, ``[K, S, P]``.
        values: Readings by field, ``[K, S, C]``; 0 where there is none.
        present: Which of them are there, by field, ``[K, S, C]``.
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
        """The readings up to a time since the window's start; ``None`` if there are none."""
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
    """What the sensors of each window would read of a field at their ``number``-th time.

    Args:
        readings: Of each window of the batch.
        number: Which of their times.
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
