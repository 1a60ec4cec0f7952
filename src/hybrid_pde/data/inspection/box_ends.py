"""Periodic axes with ends that do not meet: the box is probably not periodic."""

from collections.abc import Sequence
from itertools import islice

import numpy as np

from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.inspection.field_statistics import FieldStatistics
from hybrid_pde.domain.grid import PERIODIC

SIMULATIONS = 4  # that are looked at
FRAMES = 8  # of each


def axes_with_open_ends(store: SimulationStore, simulations: Sequence[int]) -> tuple[str, ...]:
    """Periodic axes across whose ends some field jumps, as it would not in a periodic box.

    A few frames of the first simulations are compared.

    Args:
        store: Cached simulations.
        simulations: Those to look at.
    """
    grid = store.grid
    fields = {layout.name: FieldStatistics(len(grid.axes)) for layout in store.layouts}
    for index in islice(simulations, SIMULATIONS):
        simulation = store.load(index)
        frames = np.unique(np.linspace(0, simulation.num_frames - 1, FRAMES).astype(int))
        for layout in simulation.layouts:
            values = simulation.fields[layout.name]
            blocks = [values] if layout.static else [values[frame] for frame in frames]
            for block in blocks:
                fields[layout.name].add(block.numpy())
    found = {axis for each in fields.values() for axis in each.open_axes}
    return tuple(
        axis
        for number, axis in enumerate(grid.axes)
        if number in found and PERIODIC in grid.boundary[number]
    )
