"""Rollouts kept for figures and for ``rollouts.nc``.

Layout: ``T`` frames, ``C`` channels, then space.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.stated_units import StatedUnits

if TYPE_CHECKING:  # else the figures of a report would import PyTorch
    from hybrid_pde.evaluation.rollout_starts import Simulation


@dataclass(frozen=True)
class RolloutSample:
    """Truth and predictions of one simulation.

    Attributes:
        index: Index of the simulation.
        dt: Time between frames [time].
        grid: Grid of the values.
        layouts: The fields that change in time.
        truth: For each field ``[T + 1, C, *space]``, initial state first, NaN where missing.
        predictions: The same for each model and field, NaN after a divergence; only the first of
            several replicates. Persistence is omitted.
        units: The system that all numbers are in.
    """

    index: int
    dt: float
    grid: Grid
    layouts: tuple[FieldLayout, ...]
    truth: Mapping[str, NDArray[Any]]
    predictions: Mapping[str, Mapping[str, NDArray[Any]]]
    units: StatedUnits = StatedUnits()

    @property
    def num_bytes(self) -> int:
        """Size in memory [bytes]."""
        kept = (self.truth, *self.predictions.values())
        return sum(values.nbytes for fields in kept for values in fields.values())


def make_sample(
    index: int,
    simulation: "Simulation",
    truth: Mapping[str, NDArray[Any]],
    rollouts: Mapping[str, Mapping[str, NDArray[Any]]],
) -> RolloutSample:
    """Make a sample in the truth's precision; ``rollouts`` do not include the initial state."""
    # Predictions beyond the range of float32 become infinite in figures and files.
    with np.errstate(over="ignore"):
        predictions = {
            name: {
                key: np.concatenate([truth[key][:1], values]).astype(truth[key].dtype)
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
        truth={key: np.array(values) for key, values in truth.items()},
        predictions=predictions,
        units=getattr(simulation, "units", StatedUnits()),  # others than cached ones state none
    )
