"""Held-out simulations that repeat those of the training are warned of."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.repeated_frames import warn_of_repeated_frames
from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.result_warnings import ResultWarning, recorded_warnings

GRID = Grid(("x",), (32,), (0.0,), (1.0,), ((PERIODIC, PERIODIC),), (False,))
RUN = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 1, 32)).astype(np.float32))


def warned(folder: Path, held_out: torch.Tensor, trained: torch.Tensor) -> list[str]:
    store = CacheManager(folder)
    store.write(0, {"u": trained + 1}, GRID, 0.1, {})
    store.write(1, {"u": trained}, GRID, 0.1, {})
    store.write(2, {"u": held_out}, GRID, 0.1, {})
    with recorded_warnings() as found:
        warn_of_repeated_frames(store, [2], [0, 1, 7])  # one of them has been removed
    return found


@pytest.mark.parametrize("part", [slice(None), slice(3, None), slice(2, 6)])
def test_a_copy_and_a_part_of_a_training_simulation_are_named(tmp_path: Path, part: slice) -> None:
    with pytest.warns(ResultWarning, match=r"of the training \(2 repeats 1\): errors on them say"):
        warned(tmp_path, RUN[part], RUN)


def test_a_run_that_goes_on_where_another_ended_is_none(tmp_path: Path) -> None:
    assert not warned(tmp_path, RUN[5:], RUN[:6])


def test_equal_starts_are_none(tmp_path: Path) -> None:
    """As of simulations from rest, with different parameters."""
    other = RUN.clone()
    other[0] = 0.0
    assert not warned(tmp_path, -other, other)
