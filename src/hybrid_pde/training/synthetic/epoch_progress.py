"""How far an epoch is, so that a training can go on in its middle."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader

from hybrid_pde.training.checkpoint import random_states, restore_random_states
from hybrid_pde.training.synthetic.epoch_sampler import EpochSampler


@dataclass
class WithinEpoch:
    """How far the present epoch is; all zero between two epochs.

    Attributes:
        batches: Batches that this process has trained on.
        windows: Windows in them.
        total: Sum of their losses, each times the windows of its batch.
    """

    batches: int = 0
    windows: int = 0
    total: float = 0.0


class EpochProgress:
    """What is done of an epoch, and the random states to go on with.

    Args:
        device: Where the model is trained.

    Attributes:
        within: How far the epoch is.
    """

    def __init__(self, device: torch.device) -> None:
        self.within = WithinEpoch()
        self._device = device
        self._random_before: torch.Tensor | None = None  # of the caller, while an epoch is going on
        self._random_within: dict[str, Any] | None = None  # what a checkpoint goes on with

    @contextmanager
    def epoch(self, seed: int) -> Iterator[None]:
        """An epoch with random numbers of its own; the caller's generators are left alone."""
        devices = [self._device] if self._device.type == "cuda" else []
        self._random_before = torch.get_rng_state()
        if self._random_within is None:  # an epoch that an error has ended begins anew
            self.within = WithinEpoch()
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            yield
        self._random_before = None
        self.within = WithinEpoch()

    def batches_left(self, data_source: DataLoader) -> Iterator[Any]:
        """The batches of the present epoch that are not done: all, but right after a checkpoint.

        What an :class:`~hybrid_pde.training.synthetic.epoch_sampler.EpochSampler` orders is not
        read again.
        """
        done, sampler = self.within.batches, getattr(data_source, "sampler", None)
        if isinstance(sampler, EpochSampler) and not data_source.num_workers:
            sampler.leave_out(done * (data_source.batch_size or 1))
            done = 0
        batches = iter(data_source)
        for _ in range(done):
            next(batches, None)
        if self._random_within is not None:
            restore_random_states(self._random_within, self._device)
            self._random_within = None
        return batches

    def state(self) -> dict[str, Any]:
        """What :meth:`load_state` takes, of this process: plain types and tensors."""
        return {
            "within": asdict(self.within) if self.within.batches else None,
            "random": random_states(self._device),
            "before": self._random_before,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        restore_random_states(state["random"], self._device)
        self.within, self._random_within = WithinEpoch(), None
        if state["within"] is not None:
            self.within, self._random_within = WithinEpoch(**state["within"]), state["random"]
            torch.set_rng_state(state["before"])
