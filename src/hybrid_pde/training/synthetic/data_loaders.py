"""Data loaders of training windows."""

from typing import Any

from torch.utils.data import DataLoader

from hybrid_pde.config import Experiment
from hybrid_pde.config.derived import complete_training
from hybrid_pde.data.windows.augmented_dataset import AugmentedDataset
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.data.windows.window_batch import collate_windows
from hybrid_pde.training.synthetic.epoch_sampler import EpochSampler
from hybrid_pde.training.synthetic.observed_windows import ObservedWindows
from hybrid_pde.training.synthetic.symmetric_windows import with_symmetries


def batches(
    experiment: Experiment,
    dataset: HybridDataset | ObservedWindows | AugmentedDataset,
    batch_size: int | None = None,
    shuffle: bool = True,
) -> DataLoader[Any]:
    """A data loader of a data set.

    Args:
        experiment: Sections ``trainer_params.synthetic``, ``augmentation`` and the seed.
        dataset: The windows.
        batch_size: Windows per batch, by default ``trainer_params.synthetic.batch_size``.
        shuffle: Whether to shuffle (depending only on seed and epoch), to draw
            ``windows_per_epoch`` windows, and to apply random ``augmentation.symmetries``.
    """
    training = complete_training(experiment)
    size = batch_size or training.batch_size
    if not shuffle:
        return DataLoader(dataset, batch_size=size, collate_fn=collate_windows)
    sampler = EpochSampler(dataset, experiment.run_params.seed, training.windows_per_epoch)
    moved = with_symmetries(experiment, dataset)
    return DataLoader(moved, batch_size=size, sampler=sampler, collate_fn=collate_windows)
