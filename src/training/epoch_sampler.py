"""The order of training windows, a function of seed and epoch alone."""

import hashlib
from collections.abc import Iterator, Sized

import torch
from torch.utils.data import Sampler


def epoch_seed(seed: int, epoch: int) -> int:
    """A seed of 63 bits for one epoch, so that neighbouring epochs and seeds are unrelated."""
    hashed = hashlib.sha256(f"{seed}/{epoch}".encode()).digest()
    return int.from_bytes(hashed[:8], "big") >> 1


class EpochSampler(Sampler[int]):
    """Shuffles with a permutation that depends only on the seed and the epoch.

    A training that goes on after an interruption therefore sees its windows in the order in which
    it would have seen them. Trainers call :meth:`set_epoch` before every epoch.

    Args:
        length_or_dataset: Number of windows, or the data set that holds them.
        seed: ``run_params.seed``.
    """

    def __init__(self, length_or_dataset: int | Sized, seed: int) -> None:
        self._source = length_or_dataset
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of this epoch, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._source if isinstance(self._source, int) else len(self._source)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch))
        return iter(torch.randperm(len(self), generator=generator).tolist())
