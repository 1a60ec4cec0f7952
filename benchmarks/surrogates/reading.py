"""Reading rate of windows from the cache, relative to HDF5 files as they are often distributed.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y`` space.
"""

from collections.abc import Iterator
from pathlib import Path

import h5py
import torch

from benchmarks.surrogates.simulations import BurgersSet
from benchmarks.surrogates.table import say
from benchmarks.surrogates.timing import fastest
from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.data.windows.window_batch import Window
from hybrid_pde.training.synthetic.data_loaders import batches

BATCH = 32
STEPS = 8
SIMULATIONS = 4
_BATCHES = 10


def reading(scratch: Path) -> None:
    """Windows of 1 + 8 frames of 2D velocity on 128² through the loader, and through h5py."""
    made = BurgersSet(shape=(128, 128), steps=99)
    store = made.write_cache(scratch / "reading", SIMULATIONS)
    raw = scratch / "reading.h5"
    _write_hdf5(raw, store)
    dataset = HybridDataset(store, range(SIMULATIONS), ["velocity"], num_predict_steps=STEPS)
    config = {"trainer_params": {"batch_size": BATCH}}
    loader = batches(parse_experiment(config), dataset)

    with h5py.File(raw) as file:
        drawn = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
        groups = [drawn[i * BATCH : (i + 1) * BATCH] for i in range(_BATCHES)]
        _check_equal(next(_from_hdf5(file, dataset, groups)), dataset.gather(groups[0]))
        ours, theirs = fastest(
            [
                lambda: _first(iter(loader), _BATCHES),
                lambda: _first(_from_hdf5(file, dataset, groups), _BATCHES),
            ]
        )
    say(
        f"batches of {BATCH} windows of 1 + {STEPS} frames of 2 x 128² a second, cache against "
        "HDF5 (a frame a chunk, gzip 4)",
        theirs.wall / ours.wall,
        f"cache {_BATCHES / ours.wall:.1f} /s, HDF5 {_BATCHES / theirs.wall:.2f} /s",
        f"by CPU time {theirs.cpu / ours.cpu:.1f}",
        least=10.0,
    )


def _write_hdf5(path: Path, store: SimulationStore) -> None:
    with h5py.File(path, "w") as file:
        for index in store.indices():
            frames = store.load(index).fields["velocity"].numpy()
            file.create_dataset(
                str(index), data=frames, chunks=(1, *frames.shape[1:]), compression=4
            )


def _from_hdf5(
    file: h5py.File, dataset: HybridDataset, groups: list[list[int]]
) -> Iterator[Window]:
    """Hand-written batches: every window is read once into its place."""
    shape = file["0"].shape[1:]
    for group in groups:
        inputs = torch.empty((len(group), *shape))
        targets = torch.empty((len(group), STEPS, *shape))
        for row, window in enumerate(group):
            simulation, start = dataset.window(window)
            frames = torch.from_numpy(file[str(simulation)][start : start + STEPS + 1])
            inputs[row], targets[row] = frames[0], frames[1:]
        yield inputs, targets


def _check_equal(theirs: Window, ours: Window) -> None:
    assert all(torch.equal(a, b) for a, b in zip(theirs, ours, strict=True)), "other windows"


def _first(source: Iterator[Window], count: int) -> None:
    for _ in range(count):
        next(source)
