"""Data set that mixes real and generated windows in a given proportion."""

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from hybrid_pde.data.windows.window_batch import Window, WindowBatch, WindowSource, collate_windows
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError

DT_TOLERANCE = 1e-3  # of a step, as for raw files


class AugmentedDataset(Dataset[Any]):
    """Windows of two data sets with a share ``alpha`` of generated ones.

    An epoch of ``length`` windows has ``round(alpha * length)`` generated ones (halves up), in an
    order that depends only on the seed and the epoch. By default it has every real window once,
    ``length = round(len(real) / (1 - alpha))``; with ``alpha = 1`` every generated one. Within an
    epoch, the counts of two windows of the same kind differ by at most one.

    With worker processes, call :meth:`set_epoch` before the loader's iterator is made, and leave
    ``persistent_workers`` off: workers hold a copy of the data set from that moment.

    Args:
        real_dataset: Windows of the data.
        generated: Windows of generated simulations; may be ``None`` if ``alpha`` is 0.
        alpha: Share of generated windows, 0 to 1.
        seed: Determines the order, together with the epoch.
        length: Number of windows of an epoch.

    Raises:
        ConfigError: if ``alpha`` is out of range, a required data set has no windows, or the
            windows of the two differ in shape or time step.
    """

    def __init__(
        self,
        real_dataset: WindowSource,
        generated: WindowSource | None,
        alpha: float,
        *,
        seed: int = 0,
        length: int | None = None,
    ) -> None:
        if not 0 <= alpha <= 1:
            raise ConfigError(f"augmentation.alpha: {alpha}: must be from 0 to 1")
        if alpha > 0 and (generated is None or len(generated) == 0):
            raise ConfigError(f"augmentation.alpha: {alpha}: there are no generated windows")
        if alpha < 1 and len(real_dataset) == 0:
            raise ConfigError(f"augmentation.alpha: {alpha}: there are no real windows")
        if length is not None and length < 1:
            raise ConfigError(f"length: {length}: must be 1 or more")
        if generated is not None and len(generated) and len(real_dataset):
            _check_agreement(real_dataset, generated)
        self.real_dataset = real_dataset
        self.generated = generated
        self.alpha = alpha
        self.seed = seed
        self.dt: float = real_dataset.dt
        self.grid: Grid = real_dataset.grid
        self._length = length or _default_length(real_dataset, generated, alpha)
        self.set_epoch(0)

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The input fields in the order of their channels."""
        return self.real_dataset.layouts

    @property
    def output_layouts(self) -> tuple[FieldLayout, ...]:
        """The target fields in the order of their channels."""
        return self.real_dataset.output_layouts

    @property
    def num_generated(self) -> int:
        """Number of generated windows in an epoch."""
        return math.floor(self.alpha * self._length + 0.5)

    def set_epoch(self, epoch: int) -> None:
        """Draw the windows of an epoch, counted from 0."""
        hashed = hashlib.sha256(f"augmented/{self.seed}/{epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(hashed[:8], "big") >> 1)
        num_real = self._length - self.num_generated
        real = _draw(len(self.real_dataset), num_real, generator)
        generated = _draw(len(self.generated or ()), self.num_generated, generator)
        # generated windows are numbered after the real ones
        drawn = torch.cat([real, generated + len(self.real_dataset)])
        order = torch.randperm(self._length, generator=generator)
        self._drawn = drawn[order].numpy()  # whose entries are read ten times as fast

    def is_generated(self, index: int) -> bool:
        """True if a window of this epoch is generated."""
        return int(self._drawn[index]) >= len(self.real_dataset)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        if not -self._length <= index < self._length:
            raise IndexError(f"window {index} of {self._length}")
        place = int(self._drawn[index])
        num_real = len(self.real_dataset)
        if place < num_real:
            return self.real_dataset[place]
        assert self.generated is not None
        return self.generated[place - num_real]

    def __getitems__(self, indices: Sequence[int]) -> Any:
        if getattr(self.real_dataset, "return_fields", False):
            return [self[index] for index in indices]
        return WindowBatch(*self.gather(indices))

    def gather(self, indices: Sequence[int]) -> Window:
        """Several windows as one batch ``[B, C_in, *space]``, ``[B, steps, C_out, *space]``.

        If real windows have weights ``[B, steps, C_out, *space]``, generated ones get weight 1.

        Raises:
            IndexError: past the last window.
        """
        return collate_windows([self[index] for index in indices])


def _default_length(real: WindowSource, generated: WindowSource | None, alpha: float) -> int:
    if alpha == 1:
        assert generated is not None
        return len(generated)
    return max(1, math.floor(len(real) / (1 - alpha) + 0.5))


def _draw(available: int, count: int, generator: torch.Generator) -> torch.Tensor:
    """``count`` numbers below ``available``, with counts that differ by at most one."""
    if count == 0:
        return torch.zeros(0, dtype=torch.int64)
    passes, rest = divmod(count, available)
    last = torch.randperm(available, generator=generator)[:rest]
    return torch.cat([torch.arange(available).repeat(passes), last])


def _check_agreement(real: WindowSource, generated: WindowSource) -> None:
    """Reject windows that cannot be in one batch."""
    if not math.isclose(real.dt, generated.dt, rel_tol=DT_TOLERANCE):
        raise ConfigError(f"time step: {real.dt:g} of the real windows, {generated.dt:g} generated")
    shapes = [_shapes(dataset[0][:2]) for dataset in (real, generated)]
    if shapes[0] != shapes[1]:
        raise ConfigError(
            f"windows differ in shape: real input and targets {shapes[0]}, generated {shapes[1]}"
        )


def _shapes(item: Any) -> list[Any]:
    if isinstance(item[0], torch.Tensor):
        return [list(part.shape) for part in item]
    initial, following = item
    return [
        {name: str(field.values.shape) for name, field in initial.items()},
        {name: len(fields) for name, fields in following.items()},
    ]
