"""Training of both models, the physical one first, the surrogate with what it generates."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import torch
from phi.torch.flow import math
from torch.utils.data import DataLoader

from src.config import Experiment
from src.data.augmented_dataset import AugmentedDataset
from src.data.cache_manager import CacheManager
from src.data.hybrid_dataset import HybridDataset
from src.data.window_batch import collate_windows
from src.models.physical.physical_model import PhysicalModel
from src.models.synthetic.synthetic_model import SyntheticModel
from src.training.abstract_trainer import AbstractTrainer
from src.training.epoch_sampler import EpochSampler
from src.training.hybrid.augmentation import Augmentation
from src.training.physical.physical_trainer import PhysicalTrainer
from src.training.synthetic.synthetic_trainer import SyntheticTrainer
from src.training.tensor_trainer import EpochCallback, TrainingResult


class HybridResult(TypedDict):
    """What :meth:`HybridTrainer.train` returns: the results of its two trainers."""

    physical: dict[str, Any]
    synthetic: TrainingResult
    generated: list[int]


class HybridTrainer(AbstractTrainer):
    """One cycle of hybrid training: calibrate, generate, train the surrogate on both.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
        synthetic_model: Surrogate, trained in place.
        physical_model: Equation, calibrated in place.
        learnable_params: Initial values of the learnable parameters, in the experiment's order.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | Experiment,
        synthetic_model: SyntheticModel,
        physical_model: PhysicalModel,
        learnable_params: Sequence[math.Tensor | torch.nn.Parameter],
    ) -> None:
        super().__init__(config)
        self.physical_trainer = PhysicalTrainer(config, physical_model, learnable_params)
        self.synthetic_trainer = SyntheticTrainer(config, synthetic_model)

    def train(
        self,
        physical_data: Iterable[Any],
        synthetic_data: HybridDataset,
        generated: CacheManager,
        on_epoch_end: EpochCallback | None = None,
    ) -> HybridResult:
        """Run the cycle.

        Args:
            physical_data: Windows of PhiFlow fields for the calibration.
            synthetic_data: Windows of native tensors for the surrogate.
            generated: Folder that takes the generated simulations.
            on_epoch_end: See :meth:`TensorTrainer.train`.
        """
        training = self.experiment.trainer_params
        physical = self.physical_trainer.train(physical_data, training.physical.epochs)
        made = self.generate(synthetic_data, generated)
        dataset = mix(self.experiment, synthetic_data, generated, made)
        self.synthetic_trainer.model.fit_normalization(dataset)
        loader = DataLoader(
            dataset,
            batch_size=training.synthetic.batch_size,
            sampler=EpochSampler(dataset, self.experiment.run_params.seed),
            collate_fn=collate_windows,
        )
        synthetic = self.synthetic_trainer.train(loader, training.synthetic.epochs, on_epoch_end)
        return HybridResult(physical=physical, synthetic=synthetic, generated=made)

    def generate(self, real: HybridDataset, generated: CacheManager) -> list[int]:
        """Simulations from the calibrated model, none where augmentation is off."""
        augmentation = self.experiment.augmentation
        if not augmentation.enabled or augmentation.alpha == 0:
            return []
        model = self.physical_trainer.model
        maker = Augmentation(self.experiment, model, real.store, generated)
        return maker.make(range(augmentation.num_simulations))


def mix(
    experiment: Experiment,
    real: HybridDataset,
    generated: CacheManager,
    made: Sequence[int],
) -> HybridDataset | AugmentedDataset:
    """Real and generated windows in the proportion ``augmentation.alpha``; real ones without any.

    Args:
        experiment: Section ``augmentation`` and the seed.
        real: Windows of the training simulations.
        generated: Store of the generated simulations.
        made: Those that are there.
    """
    if not made:
        return real
    return AugmentedDataset(
        real,
        real.like(generated, made),
        experiment.augmentation.alpha,
        seed=experiment.run_params.seed,
    )
