"""Training rate of the trainer relative to a minimal loop over the same batches.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y`` space.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_

from benchmarks.surrogates.page_cache import forget, resident
from benchmarks.surrogates.simulations import BurgersSet
from benchmarks.surrogates.table import say
from benchmarks.surrogates.timing import Seconds, fastest
from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.windows.augmented_dataset import AugmentedDataset
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.data.windows.window_batch import Window
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.training.synthetic.data_loaders import batches
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer

SIMULATIONS = 4
_BATCHES = 24  # an epoch
_COPIES = 24  # simulations of 66 MB in the cache that memory is too small for


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


def in_memory(scratch: Path) -> None:
    """Windows per second of ``SyntheticTrainer`` on real and generated windows in memory."""
    for number, case in enumerate(CASES):
        experiment = case.experiment()
        store = case.made.write_cache(scratch / f"rate_{number}", SIMULATIONS)
        real = HybridDataset(
            store,
            range(SIMULATIONS // 2),
            ["velocity"],
            num_predict_steps=case.num_predict_steps,
        )
        generated = real.like(store, range(SIMULATIONS // 2, SIMULATIONS))
        length = _BATCHES * case.batch_size
        dataset = AugmentedDataset(real, generated, 0.5, length=length)
        loader = batches(experiment, dataset)
        trainer, loop = trainer_of(experiment, dataset), BareLoop(experiment, dataset)
        taken = [tuple(part.clone() for part in batch) for batch in loader]
        ours, bare = fastest([partial(trainer.train, loader, 1), partial(loop.epoch, taken)])
        _say(f"in memory; {case.name}", length, ours, bare, 0.95)


def beyond_memory(scratch: Path) -> None:
    """The same with no window in memory before it is drawn.

    The cache is dropped from the system's memory first, and so few windows are drawn that at most a
    quarter of it is there at the end. That is harder than memory for a quarter of the cache, which
    would in the long run hold every fourth window.
    """
    case = CASES[0]
    experiment = case.experiment()
    store = _many_copies(scratch / "beyond_memory", replace(case.made, steps=2000))
    files = [store.path(index) for index in store.indices()]
    real = HybridDataset(
        store, store.indices(), ["velocity"], num_predict_steps=case.num_predict_steps
    )
    length = _BATCHES * case.batch_size
    dataset = AugmentedDataset(real, None, 0.0, length=length)
    loader = batches(experiment, dataset)
    few = AugmentedDataset(real.like(store, [0]), None, 0.0, length=length)
    trainer, loop = trainer_of(experiment, few), BareLoop(experiment, few)
    taken = [tuple(part.clone() for part in batch) for batch in batches(experiment, few)]
    del few
    forget(files)
    before, size = resident(files), sum(file.stat().st_size for file in files)
    ours, bare = fastest([partial(trainer.train, loader, 1), partial(loop.epoch, taken)])
    share = resident(files) / size
    assert share <= 0.25, f"{share:.0%} of the cache came into memory; draw fewer windows"
    _say(
        f"cache at least four times its part in memory; {case.name}",
        length,
        ours,
        bare,
        0.85,
        f"{before / size:.1%} of {size / 1e9:.1f} GB in memory before, {share:.0%} after",
    )


def _many_copies(folder: Path, made: BurgersSet) -> CacheManager:
    """A large cache: simulations shifted along periodic axes, which are solutions again."""
    store, recording = CacheManager(folder), made.recording
    solved = [fields["velocity"] for _, fields in made.simulate(SIMULATIONS)]
    for index in range(_COPIES):
        shift = index // SIMULATIONS
        velocity = np.roll(solved[index % SIMULATIONS], (shift, shift), axis=(-2, -1))
        store.write(
            index, {"velocity": velocity}, recording.grid, recording.dt, {}, recording.layouts
        )
    return store


def trainer_of(experiment: Experiment, dataset: AugmentedDataset) -> SyntheticTrainer:
    """A trainer of a new model with the normalisation of these windows."""
    model = ModelRegistry(experiment).get_synthetic_model(dataset.grid)
    model.fit_normalization(dataset)
    return SyntheticTrainer(experiment, model)


def _say(what: str, length: int, ours: Seconds, bare: Seconds, least: float, *more: str) -> None:
    say(
        f"training rate against a bare loop over tensors, {what}",
        bare.wall / ours.wall,
        f"{length / ours.wall:.0f} and {length / bare.wall:.0f} windows a second",
        f"by CPU time {bare.cpu / ours.cpu:.3f}",
        *more,
        least=least,
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
