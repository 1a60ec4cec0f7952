"""Frames that observations are made of, every distinct one kept once.

Layout of native tensors: ``C`` channels, ``X Y Z`` space, ``[C, X, Y, Z]``.
"""

import hashlib
from collections.abc import Sequence

import torch


class FrameStore:
    """Frames and what is seen of them, by position in the order in which they came."""

    def __init__(self) -> None:
        self._frames: list[torch.Tensor] = []
        self._masks: dict[int, torch.Tensor] = {}
        self._position: dict[bytes, int] = {}

    @property
    def hides(self) -> bool:
        """Whether something of a frame is hidden."""
        return bool(self._masks)

    def add(self, name: str, frame: torch.Tensor, mask: torch.Tensor | None) -> int:
        """Position of a field's frame, which is kept unless it is there.

        Args:
            name: The field.
            frame: Its values; hidden ones are 0.
            mask: Which of them are seen; ``None`` for all.
        """
        digest = _digest(name, frame, mask)
        if digest not in self._position:
            position = len(self._frames)
            self._position[digest] = position
            self._frames.append(frame)
            if mask is not None:
                self._masks[position] = mask
        return self._position[digest]

    def frame(self, position: int) -> torch.Tensor:
        """A frame in double precision."""
        return self._frames[position].double()

    def stack(self, positions: Sequence[int]) -> torch.Tensor:
        """Frames ``[B, C, *space]`` in double precision."""
        return torch.stack([self._frames[position] for position in positions]).double()

    def size(self, position: int) -> int:
        """Number of values of a frame."""
        return self._frames[position].numel()

    def hides_of(self, position: int) -> bool:
        """Whether something of a frame is hidden."""
        return position in self._masks

    def num_seen(self, position: int) -> int:
        """Number of values of a frame that are seen."""
        mask = self._masks.get(position)
        return self.size(position) if mask is None else int(mask.sum())

    def seen(self, position: int) -> torch.Tensor:
        """The values of a frame that are seen, ``[n]``."""
        mask, frame = self._masks.get(position), self._frames[position]
        return frame.reshape(-1) if mask is None else frame[mask]

    def masked(self, weights: torch.Tensor, positions: Sequence[int]) -> torch.Tensor | None:
        """Weights ``[B, 1, 1…]`` where frames are seen and 0 elsewhere; None if nothing is."""
        masks = [self._masks.get(position) for position in positions]
        if all(mask is None for mask in masks):
            return weights
        shape = self._frames[positions[0]].shape
        full = [torch.ones(shape, dtype=torch.bool) if mask is None else mask for mask in masks]
        stacked = torch.stack(full)
        return weights * stacked if bool(stacked.any()) else None


def _digest(name: str, frame: torch.Tensor, mask: torch.Tensor | None) -> bytes:
    content = frame.double().contiguous().numpy().tobytes()
    hidden = b"" if mask is None else mask.contiguous().numpy().tobytes()
    return hashlib.blake2b(name.encode() + b"\0" + content + hidden, digest_size=16).digest()
