"""Sampler of training windows that depends only on seed and epoch."""

import hashlib
import math
from collections.abc import Iterator, Sized

import torch
from torch.utils.data import Sampler


def epoch_seed(seed: int, epoch: int, rank: int = 0) -> int:
    """A 63-bit seed for one epoch, uncorrelated between epochs, seeds and processes.

    Args:
        seed: ``run_params.seed``.
        epoch: Number of the epoch, from 0.
        rank: Rank of the process among those that train together.
    """
    text = f"{seed}/{epoch}/{rank}" if rank else f"{seed}/{epoch}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class EpochSampler(Sampler[int]):
    """Shuffles windows with a permutation that depends only on the seed and the epoch.

    A resumed training therefore uses the same order as an uninterrupted one. Trainers call
    :meth:`set_epoch` before every epoch and, with several processes, :meth:`set_shard`. The process
    of rank r of n takes every n-th window from the r-th on, so that one batch of each process
    corresponds to one batch of n times the size in a single process. If the number of windows is
    not divisible by n, the first windows are repeated at the end.

    Args:
        length_or_dataset: Number of windows, or the data set.
        seed: ``run_params.seed``.
        windows_per_epoch: Number of windows per epoch, taken consecutively from a sequence of
            permutations, so that every window is used once before any is repeated. By default an
            epoch has every window once.
    """

    def __init__(
        self, length_or_dataset: int | Sized, seed: int, windows_per_epoch: int | None = None
    ) -> None:
        self._source = length_or_dataset
        self._windows = windows_per_epoch
        self._rank, self._processes = 0, 1
        self._num_skipped = 0
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, counted from 0."""
        self.epoch = epoch

    def set_shard(self, rank: int, processes: int) -> None:
        """Set the rank of this process and the number of processes."""
        self._rank, self._processes = rank, processes

    def skip_next(self, count: int) -> None:
        """Skip the first ``count`` windows of this process in the next pass only."""
        self._num_skipped = count

    def __len__(self) -> int:
        return math.ceil(self._epoch_length() / self._processes)

    def __iter__(self) -> Iterator[int]:
        available, length = self._available(), self._epoch_length()
        first = self.epoch * length
        drawn: list[int] = []
        while available and len(drawn) < length:
            number, start = divmod(first + len(drawn), available)
            generator = torch.Generator().manual_seed(epoch_seed(self.seed, number))
            order = torch.randperm(available, generator=generator)
            drawn += order[start : start + length - len(drawn)].tolist()
        skipped, self._num_skipped = self._num_skipped, 0
        positions = range(self._rank, len(self) * self._processes, self._processes)[skipped:]
        return (drawn[position % length] for position in positions)

    def _available(self) -> int:
        return self._source if isinstance(self._source, int) else len(self._source)

    def _epoch_length(self) -> int:
        return self._windows or self._available()
