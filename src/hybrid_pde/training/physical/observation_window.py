"""Observation windows: an initial frame and the target frames of a rollout.

Layout of native tensors: ``C`` channels, ``X Y Z`` space.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import torch

from hybrid_pde.training.physical.sensor_readings import Readings


class Visibility(Protocol):
    """Interface of data sources with hidden values or sensors."""

    def mask(self, window: int, name: str, frame: int) -> torch.Tensor | None:
        """Mask of observed values ``[C, *space]``; ``None`` for all. Frame 0 is the initial one."""

    def readings(self, window: int) -> Readings | None:
        """Sensor readings during a window."""


@runtime_checkable
class Guidance(Visibility, Protocol):
    """Interface of data sources that replace hidden values by predictions."""

    def is_predicted(self, window: int) -> bool:
        """True if a window is entirely predicted."""

    def hidden_weight(self, window: int, frame: int) -> float:
        """Weight of the predictions of hidden values; 0 without predictions."""


class WindowFields(dict[str, Any]):
    """Initial fields of a window with its number among the observations."""

    window: int


@dataclass(frozen=True)
class ObservationWindow:
    """An initial frame and the following frames, as positions in the frame store.

    Attributes:
        initial: Position of the initial frame by field.
        targets: Positions of the following frames by field.
        known: Known parameters by name: ``[…]``, or ``[T + 1, …]`` if they vary in time.
        series: Names of known parameters that vary in time.
        readings: Sensor readings.
        is_predicted: Whether all values are predictions.
        simulation: Number of the simulation among those of the data source.
    """

    initial: dict[str, int]
    targets: dict[str, tuple[int, ...]]
    known: dict[str, torch.Tensor] = field(default_factory=dict)
    series: frozenset[str] = frozenset()
    readings: Readings | None = None
    is_predicted: bool = False
    simulation: int = 0

    @property
    def num_frames(self) -> int:
        """Number of target frames."""
        return len(next(iter(self.targets.values())))

    @property
    def batch_key(self) -> tuple[Any, ...]:
        """Key that is equal for windows that can be advanced in one batch."""
        times = None if self.readings is None else tuple(self.readings.times.tolist())
        return self.num_frames, times, tuple(self.known), self.series


def cut_window(
    window: ObservationWindow, num_frames: int, dt: float | None = None
) -> ObservationWindow:
    """The first frames of a window; with readings and without ``dt``, the whole window."""
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
