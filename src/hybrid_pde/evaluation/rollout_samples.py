"""Rollouts that are kept for pictures and files.

Layout: ``T`` frames, ``C`` channels, then space.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.evaluation.rollout_starts import Simulation


@dataclass(frozen=True)
class RolloutSample:
    """Truth and predictions of one simulation.

    Attributes:
        index: Index of the simulation.
        dt: Time between frames [time].
        grid: Where the values lie.
        layouts: The fields that change in time.
        truth: For each field ``[T + 1, C, *space]``, the given state first, NaN where missing.
        predictions: For each model and field the same, NaN after a divergence; persistence is
            the given state and is not repeated. Of surrogates that differ in their seed, the first.
    """

    index: int
    dt: float
    grid: Grid
    layouts: tuple[FieldLayout, ...]
    truth: Mapping[str, NDArray[np.float32]]
    predictions: Mapping[str, Mapping[str, NDArray[np.float32]]]

    @property
    def num_bytes(self) -> int:
        """Memory that it takes."""
        kept = (self.truth, *self.predictions.values())
        return sum(values.nbytes for fields in kept for values in fields.values())


def sample(
    index: int,
    simulation: Simulation,
    truth: Mapping[str, NDArray[Any]],
    rollouts: Mapping[str, Mapping[str, NDArray[Any]]],
) -> RolloutSample:
    """A sample in single precision of ``rollouts``, which lack the given state."""
    # Beyond the range of float32 a prediction is infinite in pictures and files.
    with np.errstate(over="ignore"):
        predictions = {
            name: {
                key: np.concatenate([truth[key][:1], values]).astype(np.float32)
                for key, values in fields.items()
            }
            for name, fields in rollouts.items()
            if name != "persistence"
        }
    return RolloutSample(
        index=index,
        dt=simulation.dt,
        grid=simulation.grid,
        layouts=tuple(layout for layout in simulation.layouts if not layout.static),
        truth={key: np.array(values, dtype=np.float32) for key, values in truth.items()},
        predictions=predictions,
    )
