"""Observation windows: an initial frame and the target frames of a rollout.

Layout of native tensors: ``T`` target frames, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from hybrid_pde.data.observations.observed_simulation import ObservedSimulation
from hybrid_pde.data.windows.field_selection import FieldSelection
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.training.physical.sensor_readings import Readings


@dataclass(frozen=True)
class ObservationWindow:
    """An initial frame and the following frames of an observed simulation.

    Attributes:
        recording: Position of the observed simulation.
        frames: Numbers of the initial and of the following frames in it.
        known: Known parameters by name: ``[…]``, or ``[T + 1, …]`` if they vary in time.
        series: Names of known parameters that vary in time.
        readings: Sensor readings.
        is_predicted: Whether all values are predictions.
        simulation: Number of the simulation among those of the data source.
    """

    recording: int
    frames: Sequence[int]
    known: Mapping[str, torch.Tensor] = field(default_factory=dict)
    series: frozenset[str] = frozenset()
    readings: Readings | None = None
    is_predicted: bool = False
    simulation: int = 0

    @property
    def num_frames(self) -> int:
        """Number of target frames."""
        return len(self.frames) - 1

    @property
    def batch_key(self) -> tuple[Any, ...]:
        """Key that is equal for windows that can be advanced in one batch."""
        times = None if self.readings is None else tuple(self.readings.times.tolist())
        return self.num_frames, times, tuple(self.known), self.series

    def first(self, num_frames: int, dt: float | None = None) -> "ObservationWindow":
        """Its first target frames; with readings and without ``dt``, the whole window."""
        readings = self.readings
        if readings is not None:
            if dt is None:
                return self
            readings = readings.until((num_frames + 1e-6) * dt)
        known = {
            name: value[: num_frames + 1] if name in self.series else value
            for name, value in self.known.items()
        }
        return replace(self, frames=self.frames[: num_frames + 1], known=known, readings=readings)


@dataclass(frozen=True)
class ObservedData:
    """Observed simulations, and the windows of them that a calibration is compared with.

    Attributes:
        grid: Grid of every field.
        layouts: The fields.
        recordings: The observed simulations.
        windows: The windows.
        dt: Time between frames [time], if it is known.
    """

    grid: Grid
    layouts: Sequence[FieldLayout]
    recordings: Sequence[ObservedSimulation]
    windows: Sequence[ObservationWindow]
    dt: float | None = None

    def __len__(self) -> int:
        return len(self.windows)

    def window(self, number: int) -> tuple[int, int]:
        """Simulation and first frame of a window; −1 for the simulation of predicted windows."""
        window = self.windows[number]
        return window.simulation, window.frames[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> tuple[dict[str, Any], dict[str, list[Any]]]:
        """A window of cached simulations as PhiFlow fields: initial and target fields by name.

        Hidden values are included, or their predictions.
        """
        from hybrid_pde.data.windows.window_fields import window_fields

        window = self.windows[number]
        recording = self.recordings[window.recording]
        assert recording.cached is not None, "fields of the user, who has them"
        shown = replace(recording.cached, fields=recording.values)
        selection = FieldSelection(tuple(self.layouts), tuple(self.layouts))
        return window_fields(shown, selection, window.frames[0], window.num_frames)
