"""Storage of observed frames without duplicates.

Observed values have the weight 1, hidden values 0, or the weight of the predictions that replace
them.

Layout of native tensors: ``C`` channels, ``X Y Z`` space, ``[C, X, Y, Z]``.
"""

import hashlib
from collections.abc import Sequence
from copy import copy

import torch


class FrameStore:
    """Frames and their masks, by position in order of arrival."""

    def __init__(self) -> None:
        self._frames: list[torch.Tensor] = []
        self._masks: dict[int, torch.Tensor] = {}
        self._hidden_weights: dict[int, float] = {}
        self._position: dict[bytes, int] = {}

    @property
    def has_predictions(self) -> bool:
        """True if some hidden values are replaced by predictions."""
        return bool(self._hidden_weights)

    def without_predictions(self) -> "FrameStore":
        """The same frames, with weight 0 for all hidden values."""
        other = copy(self)
        other._hidden_weights = {}
        return other

    def add(
        self,
        name: str,
        frame: torch.Tensor,
        mask: torch.Tensor | None,
        hidden_weight: float = 0.0,
    ) -> int:
        """Position of a frame, which is stored unless it is already there.

        Args:
            name: The field.
            frame: Its values; hidden ones are 0, or predictions.
            mask: Which values are observed; ``None`` for all.
            hidden_weight: Weight of the predictions that replace hidden values; 0 without any.
        """
        digest = _digest(name, frame, mask, hidden_weight)
        if digest not in self._position:
            position = len(self._frames)
            self._position[digest] = position
            self._frames.append(frame)
            if mask is not None:
                self._masks[position] = mask
                if hidden_weight > 0:
                    self._hidden_weights[position] = hidden_weight
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

    def hides(self, position: int) -> bool:
        """True if some values of a frame are hidden."""
        return position in self._masks

    def num_observed(self, position: int) -> int:
        """Number of observed values of a frame."""
        mask = self._masks.get(position)
        return self.size(position) if mask is None else int(mask.sum())

    def weight(self, position: int) -> float:
        """Sum of the weights of a frame's values."""
        observed = self.num_observed(position)
        hidden = self.size(position) - observed
        return observed + self._hidden_weights.get(position, 0.0) * hidden

    def observed(self, position: int) -> torch.Tensor:
        """Observed values of a frame, ``[n]``."""
        mask, frame = self._masks.get(position), self._frames[position]
        return frame.reshape(-1) if mask is None else frame[mask]

    def masked(self, weights: torch.Tensor, positions: Sequence[int]) -> torch.Tensor | None:
        """Factors ``[B, 1, 1…]`` multiplied by the square root of the weight of each value.

        ``None`` if all weights are 0.
        """
        if all(position not in self._masks for position in positions):
            return weights
        roots = torch.stack([self._roots(position) for position in positions])
        return weights * roots if bool(roots.any()) else None

    def _roots(self, position: int) -> torch.Tensor:
        mask = self._masks.get(position)
        if mask is None:
            return torch.ones(self._frames[position].shape, dtype=torch.float64)
        return torch.where(mask, 1.0, self._hidden_weights.get(position, 0.0) ** 0.5).double()


def _digest(
    name: str, frame: torch.Tensor, mask: torch.Tensor | None, hidden_weight: float
) -> bytes:
    content = frame.double().contiguous().numpy().tobytes()
    hidden = (
        b"" if mask is None else mask.contiguous().numpy().tobytes() + str(hidden_weight).encode()
    )
    return hashlib.blake2b(name.encode() + b"\0" + content + hidden, digest_size=16).digest()
