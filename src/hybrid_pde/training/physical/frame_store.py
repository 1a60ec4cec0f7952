"""Frames that observations are made of, every distinct one kept once.

The values of a frame that are seen weigh 1, the others nothing, or what a prediction in their place
weighs.

Layout of native tensors: ``C`` channels, ``X Y Z`` space, ``[C, X, Y, Z]``.
"""

import hashlib
from collections.abc import Sequence
from copy import copy

import torch


class FrameStore:
    """Frames and what is seen of them, by position in the order in which they came."""

    def __init__(self) -> None:
        self._frames: list[torch.Tensor] = []
        self._masks: dict[int, torch.Tensor] = {}
        self._rest: dict[int, float] = {}
        self._position: dict[bytes, int] = {}

    @property
    def has_predictions(self) -> bool:
        """Whether some values are predictions in the place of hidden ones."""
        return bool(self._rest)

    def without_predictions(self) -> "FrameStore":
        """The same frames, of which only what is seen counts."""
        seen = copy(self)
        seen._rest = {}
        return seen

    def add(
        self, name: str, frame: torch.Tensor, mask: torch.Tensor | None, rest: float = 0.0
    ) -> int:
        """Position of a field's frame, which is kept unless it is there.

        Args:
            name: The field.
            frame: Its values; hidden ones are 0, or predictions.
            mask: Which of them are seen; ``None`` for all.
            rest: Weight of those that are not, which are predictions then.
        """
        digest = _digest(name, frame, mask, rest)
        if digest not in self._position:
            position = len(self._frames)
            self._position[digest] = position
            self._frames.append(frame)
            if mask is not None:
                self._masks[position] = mask
                if rest > 0:
                    self._rest[position] = rest
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

    def weight(self, position: int) -> float:
        """Sum of the weights of a frame's values."""
        seen = self.num_seen(position)
        return seen + self._rest.get(position, 0.0) * (self.size(position) - seen)

    def seen(self, position: int) -> torch.Tensor:
        """The values of a frame that are seen, ``[n]``."""
        mask, frame = self._masks.get(position), self._frames[position]
        return frame.reshape(-1) if mask is None else frame[mask]

    def masked(self, weights: torch.Tensor, positions: Sequence[int]) -> torch.Tensor | None:
        """What residuals are multiplied by: ``[B, 1, 1…]`` times the root of each value's weight.

        ``None`` where nothing weighs anything.
        """
        if all(position not in self._masks for position in positions):
            return weights
        roots = torch.stack([self._roots(position) for position in positions])
        return weights * roots if bool(roots.any()) else None

    def _roots(self, position: int) -> torch.Tensor:
        mask = self._masks.get(position)
        if mask is None:
            return torch.ones(self._frames[position].shape, dtype=torch.float64)
        return torch.where(mask, 1.0, self._rest.get(position, 0.0) ** 0.5).double()


def _digest(name: str, frame: torch.Tensor, mask: torch.Tensor | None, rest: float) -> bytes:
    content = frame.double().contiguous().numpy().tobytes()
    hidden = b"" if mask is None else mask.contiguous().numpy().tobytes() + str(rest).encode()
    return hashlib.blake2b(name.encode() + b"\0" + content + hidden, digest_size=16).digest()
