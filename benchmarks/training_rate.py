"""Training rate of the trainer as a share of that of a bare PyTorch loop.

    python -m benchmarks.training_rate
    python -m benchmarks.training_rate --runs 3 --steps 20     # a quick try

Both train the same network on the same windows, in batches of the same size, with AdamW, the same
loss and the same limit of the gradient. The bare loop has its batches in memory. The trainer reads
them through the data loader, from a cache that is in the system's memory, and from one that has
been evicted from it before each run. Runs alternate; the figures are the median over runs of the
ratio of two neighbouring runs, and the range of the middle half.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y`` space.
"""

import argparse
import gc
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from benchmarks.surrogates.page_cache import forget
from benchmarks.surrogates.rate import CASES, SIMULATIONS, BareLoop, Case, trainer_of
from benchmarks.surrogates.timing import Seconds, seconds
from hybrid_pde.config import Experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.windows.augmented_dataset import AugmentedDataset
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.training.synthetic.data_loaders import batches

TARGET = 0.95


def main() -> None:
    """Measure all cases, and print a table."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.training_rate")
    options.add_argument("--runs", type=int, default=9)
    options.add_argument("--steps", type=int, default=48, help="optimizer steps of a run")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{arguments.runs} alternating runs of {arguments.steps} steps, torch", end=" ")
    print(f"{torch.__version__}, {arguments.threads} threads\n")
    print(f"| Case | Cache | Rate, share of a bare loop (wanted {TARGET}) | Middle half | By CPU |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(CASES):
            store = case.made.write_cache(Path(folder) / str(number), SIMULATIONS)
            for is_cold in (False, True):
                pairs = measure(case, store, arguments.steps, arguments.runs, is_cold)
                _print_row(case.name, "cold" if is_cold else "in memory", pairs)


def measure(
    case: Case, store: CacheManager, steps: int, runs: int, is_cold: bool
) -> list[tuple[Seconds, Seconds]]:
    """Times of the trainer and of the bare loop, in turn; the first pair is a warm-up."""
    experiment = case.experiment()
    dataset = _windows(case, store, steps)
    taken = [tuple(part.clone() for part in batch) for batch in batches(experiment, dataset)]
    trainer, loop = trainer_of(experiment, dataset), BareLoop(experiment, dataset)
    del dataset  # closes its memory maps, whose pages could not be evicted
    pairs = []
    for _ in range(runs + 1):
        ours = _fresh_run(case, experiment, store, steps, is_cold, trainer.train)
        pairs.append((ours, seconds(partial(loop.epoch, taken))))
    return pairs[1:]


def _fresh_run(
    case: Case,
    experiment: Experiment,
    store: CacheManager,
    steps: int,
    is_cold: bool,
    train: Callable[..., object],
) -> Seconds:
    """Time of an epoch on windows whose files are opened by it."""
    loader = batches(experiment, _windows(case, store, steps))
    gc.collect()
    if is_cold:
        forget([store.path(index) for index in store.indices()])
    return seconds(partial(train, loader, 1))


def _windows(case: Case, store: CacheManager, steps: int) -> AugmentedDataset:
    half = SIMULATIONS // 2
    length = case.num_predict_steps
    real = HybridDataset(store, range(half), ["velocity"], num_predict_steps=length)
    generated = real.like(store, range(half, SIMULATIONS))
    return AugmentedDataset(real, generated, 0.5, length=steps * case.batch_size)


def _print_row(name: str, cache: str, pairs: list[tuple[Seconds, Seconds]]) -> None:
    wall = [bare.wall / ours.wall for ours, bare in pairs]
    cpu = statistics.median(bare.cpu / ours.cpu for ours, bare in pairs)
    low, _, high = statistics.quantiles(wall, n=4) if len(wall) > 1 else wall * 3
    median = statistics.median(wall)
    print(f"| {name} | {cache} | {median:.3f} | {low:.3f}-{high:.3f} | {cpu:.3f} |", flush=True)


if __name__ == "__main__":
    main()
