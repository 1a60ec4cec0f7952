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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_

from benchmarks.surrogates.page_cache import forget
from benchmarks.surrogates.simulations import BurgersSet
from benchmarks.surrogates.timing import Seconds, seconds
from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.windows.augmented_dataset import AugmentedDataset
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.data.windows.window_batch import Window
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.training.synthetic.data_loaders import batches
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer

TARGET = 0.95
SIMULATIONS = 4


@dataclass(frozen=True)
class Case:
    """Model and data of one case.

    Attributes:
        name: Its name in the table.
        made: The simulations, the first half used as real ones, the rest as generated ones.
        synthetic: ``model.synthetic`` without its fields.
        batch_size: Windows per batch.
        num_predict_steps: Steps of a rollout.
    """

    name: str
    made: BurgersSet
    synthetic: dict[str, Any]
    batch_size: int
    num_predict_steps: int

    def experiment(self) -> Experiment:
        """The experiment that trains it."""
        channels = {"velocity": len(self.made.shape)}
        specs = {"input_specs": channels, "output_specs": channels}
        training = {
            "batch_size": self.batch_size,
            "num_predict_steps": self.num_predict_steps,
            "learning_rate": 1e-4,
        }
        return parse_experiment(
            {
                "run_params": {"model_type": "synthetic"},
                "data": {"fields": ["velocity"]},
                "model": {"synthetic": {**self.synthetic, **specs}},
                "trainer_params": training,
            }
        )


CASES = (
    Case("2D, 64², U-Net, 4 windows of 1 step", BurgersSet((64, 64), 40), {"name": "UNet"}, 4, 1),
    Case(
        "1D, 128 points, dilated ResNet, 16 windows of 1 step",
        BurgersSet((128,), 50),
        {"name": "DilatedResNet", "architecture": {"hidden_channels": 32, "blocks": 1}},
        16,
        1,
    ),
    Case(
        "1D, 128 points, U-Net, 4 windows of 4 steps",
        BurgersSet((128,), 50),
        {"name": "UNet"},
        4,
        4,
    ),
)


class BareLoop:
    """Minimal loop: the same model, loss, optimizer and gradient limit, and nothing else."""

    def __init__(self, experiment: Experiment, dataset: AugmentedDataset) -> None:
        training = experiment.trainer_params.synthetic
        assert training.gradient_clip is not None
        self.limit = training.gradient_clip
        self.model: SyntheticModel = ModelRegistry(experiment).get_synthetic_model(dataset.grid)
        self.model.fit_normalization(dataset)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
        )

    def epoch(self, taken: Sequence[Window]) -> None:
        """One pass over batches ``[B, C, *space]``, ``[B, T, C, *space]`` that are in memory."""
        scale = self.model.output_std().view(-1, *(1,) * self.model.spatial_dims)
        for state, targets in taken:
            self.optimizer.zero_grad()
            predictions = self.model.rollout(state, targets.shape[1])
            loss = ((predictions - targets) / scale).square().mean()
            loss.backward()
            clip_grad_norm_(self.model.parameters(), self.limit)
            self.optimizer.step()


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


def trainer_of(experiment: Experiment, dataset: AugmentedDataset) -> SyntheticTrainer:
    """A trainer of a new model with the normalisation of these windows."""
    model = ModelRegistry(experiment).get_synthetic_model(dataset.grid)
    model.fit_normalization(dataset)
    return SyntheticTrainer(experiment, model)


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
