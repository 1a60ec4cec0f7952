"""The order of training windows, a function of seed and epoch alone."""

import hashlib
import math
from collections.abc import Iterator, Sized

import torch
from torch.utils.data import Sampler


def epoch_seed(seed: int, epoch: int, rank: int = 0) -> int:
    """A seed of 63 bits for one epoch, so that neighbouring epochs and seeds are unrelated.

    Args:
        seed: ``run_params.seed``.
        epoch: Number of the epoch, from 0.
        rank: Number of the process among those that train together; each draws its own numbers.
    """
    text = f"{seed}/{epoch}/{rank}" if rank else f"{seed}/{epoch}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class EpochSampler(Sampler[int]):
    """Shuffles with a permutation that depends only on the seed and the epoch.

    A training that goes on after an interruption therefore sees its windows in the order in which
    it would have seen them. Trainers call :meth:`set_epoch` before every epoch, and, where several
    processes train together, :meth:`set_shard`: the process of rank r takes every n-th window from
    the r-th on, so that n batches, one of each, are what one process would take in a batch n times
    as large. Where the windows do not divide by n, the last ones are filled up with the first.

    Args:
        length_or_dataset: Number of windows, or the data set that holds them.
        seed: ``run_params.seed``.
        windows_per_epoch: Windows that an epoch draws: the epochs take their windows one after the
            other from one permutation after the other, so that each comes once before one comes
            again. By default an epoch has every window once.
    """

    def __init__(
        self, length_or_dataset: int | Sized, seed: int, windows_per_epoch: int | None = None
    ) -> None:
        self._source = length_or_dataset
        self._windows = windows_per_epoch
        self._rank, self._processes = 0, 1
        self._left_out = 0
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the windows of this epoch and their order, counted from 0."""
        self.epoch = epoch

    def set_shard(self, rank: int, processes: int) -> None:
        """Take the share of one process of several."""
        self._rank, self._processes = rank, processes

    def leave_out(self, count: int) -> None:
        """Begin the next pass, and no other, after this process's first ``count`` windows."""
        self._left_out = count

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
        left_out, self._left_out = self._left_out, 0
        places = range(self._rank, len(self) * self._processes, self._processes)[left_out:]
        return (drawn[place % length] for place in places)

    def _available(self) -> int:
        return self._source if isinstance(self._source, int) else len(self._source)

    def _epoch_length(self) -> int:
        return self._windows or self._available()
