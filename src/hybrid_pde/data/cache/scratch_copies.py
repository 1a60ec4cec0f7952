"""Temporary copies of simulations on a node's local disk."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.errors import StorageError

Store = TypeVar("Store", bound=SimulationStore)
_MB = 1e6


@contextlib.contextmanager
def on_scratch(store: Store, indices: Iterable[int], scratch: Path | None) -> Iterator[Store]:
    """The same simulations on a node's local disk, until the block ends.

    Args:
        store: The simulations.
        indices: The simulations needed.
        scratch: A folder on that disk; ``None`` copies nothing.

    Raises:
        StorageError: if the folder does not exist, or has no room for them.
        CacheError: if a simulation is missing.
    """
    if scratch is None:
        yield store
        return
    files = [store.ensure(index) for index in indices]
    if not scratch.is_dir():
        raise StorageError(f"{scratch}: no folder on this machine; the resource `scratch` names it")
    needed, free = sum(file.stat().st_size for file in files), shutil.disk_usage(scratch).free
    if needed > free:
        raise StorageError(
            f"{scratch}: {needed / _MB:.4g} MB of simulations do not fit, {free / _MB:.4g} MB are "
            "free; ask for a node with more, or leave the resource `scratch` out"
        )
    with tempfile.TemporaryDirectory(dir=scratch, prefix="simulations-") as directory:
        for file in files:
            shutil.copyfile(file, Path(directory) / file.name)
        yield type(store)(directory)
