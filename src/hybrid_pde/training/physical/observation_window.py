"""Windows of frames that a rollout is compared with.

Layout of native tensors: ``C`` channels, ``X Y Z`` space.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import torch

from hybrid_pde.training.physical.sensor_readings import Readings


class Visibility(Protocol):
    """What a data source may say about its windows beside their fields."""

    def mask(self, window: int, name: str, frame: int) -> torch.Tensor | None:
        """Which values ``[C, *space]`` of a frame (0: the initial one) are seen; None for all."""

    def readings(self, window: int) -> Readings | None:
        """Readings of sensors during the window."""


@runtime_checkable
class Guidance(Visibility, Protocol):
    """What a data source says that has predictions in the place of what is not seen."""

    def is_predicted(self, window: int) -> bool:
        """Whether nothing of a window was ever observed."""

    def hidden_weight(self, window: int, frame: int) -> float:
        """Weight of the predictions that stand for hidden values; 0 where there are none."""


class WindowFields(dict[str, Any]):
    """The initial fields of a window that knows its number among the observations."""

    window: int


@dataclass(frozen=True)
class ObservationWindow:
    """An initial frame and the frames after it, as positions in the store, by field.

    Attributes:
        initial: Position of the initial frame by field.
        targets: Positions of the frames after it by field.
        known: Known parameters: ``[…]`` by name, ``[T + 1, …]`` for what changes in time.
        series: Names of those that change in time.
        readings: What sensors read.
        is_predicted: Whether all of it is a prediction.
    """

    initial: dict[str, int]
    targets: dict[str, tuple[int, ...]]
    known: dict[str, torch.Tensor] = field(default_factory=dict)
    series: frozenset[str] = frozenset()
    readings: Readings | None = None
    is_predicted: bool = False

    @property
    def num_frames(self) -> int:
        """Number of target frames."""
        return len(next(iter(self.targets.values())))

    @property
    def course(self) -> tuple[Any, ...]:
        """What windows that are advanced together have in common."""
        times = None if self.readings is None else tuple(self.readings.times.tolist())
        return self.num_frames, times, tuple(self.known), self.series


def cut_window(
    window: ObservationWindow, num_frames: int, dt: float | None = None
) -> ObservationWindow:
    """A window's first frames; with readings, the whole window unless dt says which to keep."""
    readings = window.readings
    if readings is not None:
        if dt is None:
            return window
        readings = readings.until((num_frames + 1e-6) * dt)
    targets = {name: at[:num_frames] for name, at in window.targets.items()}
    known = {
        name: value[: num_frames + 1] if name in window.series else value
        for name, value in window.known.items()
    }
    return replace(window, targets=targets, known=known, readings=readings)
