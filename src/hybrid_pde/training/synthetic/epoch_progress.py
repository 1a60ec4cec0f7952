"""Progress within an epoch, for resuming a training in the middle of an epoch."""

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
    """Progress within the current epoch; all zero between epochs.

    Attributes:
        batches: Number of batches completed by this process.
        windows: Number of windows in these batches.
        total: Sum of the batch losses, weighted with the number of windows.
    """

    batches: int = 0
    windows: int = 0
    total: float = 0.0


class EpochProgress:
    """Progress and random states within an epoch.

    Args:
        device: Device of the model.

    Attributes:
        within: Progress within the epoch.
    """

    def __init__(self, device: torch.device) -> None:
        self.within = WithinEpoch()
        self._device = device
        self._random_before: torch.Tensor | None = None  # of the caller, during an epoch
        self._random_within: dict[str, Any] | None = None  # from a checkpoint

    @contextmanager
    def epoch(self, seed: int) -> Iterator[None]:
        """Context of an epoch with its own random numbers; restores the global generators."""
        devices = [self._device] if self._device.type == "cuda" else []
        self._random_before = torch.get_rng_state()
        if self._random_within is None:  # an epoch that ended in an error restarts
            self.within = WithinEpoch()
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            yield
        self._random_before = None
        self.within = WithinEpoch()

    def batches_left(self, data_source: DataLoader) -> Iterator[Any]:
        """The remaining batches of the current epoch; all of them unless resumed from a checkpoint.

        With an :class:`~hybrid_pde.training.synthetic.epoch_sampler.EpochSampler`, completed
        batches are not read again.
        """
        done, sampler = self.within.batches, getattr(data_source, "sampler", None)
        if isinstance(sampler, EpochSampler) and not data_source.num_workers:
            sampler.skip_next(done * (data_source.batch_size or 1))
            done = 0
        batches = iter(data_source)
        for _ in range(done):
            next(batches, None)
        if self._random_within is not None:
            restore_random_states(self._random_within, self._device)
            self._random_within = None
        return batches

    def state(self) -> dict[str, Any]:
        """The state of this process, as tensors and plain types."""
        return {
            "within": asdict(self.within) if self.within.batches else None,
            "random": random_states(self._device),
            "before": self._random_before,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore the result of :meth:`state`."""
        restore_random_states(state["random"], self._device)
        self.within, self._random_within = WithinEpoch(), None
        if state["within"] is not None:
            self.within, self._random_within = WithinEpoch(**state["within"]), state["random"]
            torch.set_rng_state(state["before"])
