"""Held-out simulations whose frames are also in the training data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hybrid_pde.data.cache.cache_file import CachedSimulation
from hybrid_pde.errors import CacheError
from hybrid_pde.result_warnings import warn_of_result

if TYPE_CHECKING:
    from hybrid_pde.data.cache.simulation_store import SimulationStore

_PROBES = 16  # values in the middle of a frame, by which frames are found
_MOST = 1000  # simulations of the training that are looked at
_NAMED = 5

Frames = Mapping[str, NDArray[Any]]


def warn_of_repeated_frames(
    store: "SimulationStore", held_out: Sequence[int], trained: Sequence[int]
) -> None:
    """Warn of held-out simulations that are copies, or parts, of those of the training.

    Args:
        store: The simulations; those of the training that are not there are left out.
        held_out: Simulations that errors are measured on.
        trained: Simulations of the training, of which at most 1 000 are compared.
    """
    opened = {index: store.load(index) for index in held_out}
    found: dict[int, int] = {}
    for other in trained[:: -(-len(trained) // _MOST) or 1]:
        try:
            known = store.load(other)
        except CacheError:  # no longer there: it is not needed to measure errors
            continue
        for index, simulation in opened.items():
            if index not in found and has_frames_of(simulation, known):
                found[index] = other
    if found:
        pairs = [f"{index} repeats {other}" for index, other in found.items()]
        named = ", ".join(pairs[:_NAMED]) + (", …" if len(pairs) > _NAMED else "")
        warn_of_result(
            f"held-out simulations have the frames of simulations of the training ({named}): "
            "errors on them say nothing about unseen data. Leave the copies out of "
            "trainer_params.test_sim and val_sim, or out of the data"
        )


def has_frames_of(simulation: CachedSimulation, other: CachedSimulation) -> bool:
    """True if the frames from a simulation's first one on are also in another, two or more.

    One common frame is none: a run may go on where another has ended.
    """
    own, others = _moving(simulation), _moving(other)
    if {n: v.shape[1:] for n, v in own.items()} != {n: v.shape[1:] for n, v in others.items()}:
        return False
    name, values = next(iter(own.items()))
    middle = values[0].size // 2
    probes = slice(middle, middle + _PROBES)
    first = values[0].reshape(-1)[probes]
    compared = others[name].reshape(len(others[name]), -1)[:-1, probes]
    for start in map(int, np.flatnonzero(((compared == first) | np.isnan(first)).all(axis=1))):
        overlap = min(len(values), len(others[name]) - start)
        if all(_equal(own, others, frame, start + frame) for frame in {0, 1, overlap - 1}):
            return True
    return False


def _equal(own: Frames, others: Frames, frame: int, other: int) -> bool:
    return all(
        np.array_equal(values[frame], others[name][other], equal_nan=True)
        for name, values in own.items()
    )


def _moving(simulation: CachedSimulation) -> Frames:
    static = {layout.name for layout in simulation.layouts if layout.static}
    return {k: v.numpy() for k, v in simulation.fields.items() if k not in static}
