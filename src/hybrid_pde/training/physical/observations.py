"""Observations of a calibration: windows of observed frames with weights.

Layout of native tensors: ``B`` windows, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hybrid_pde.data.observations.observed_simulation import ObservedSimulation
from hybrid_pde.errors import CalibrationError
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.training.physical.observation_window import ObservationWindow, ObservedData

# Largest number of values of all states advanced in one batch; more costs memory and saves no time.
CHUNK_VALUES = 2**17

# A frame: position of its recording, and its number in it.
_Frame = tuple[int, int]


class Observations:
    """All windows of observed data.

    A frame in several windows is one observation: its residuals are weighted by 1/√count. Frames
    are read when they are compared, so memory does not grow with their number.

    Args:
        data: The observed simulations and their windows.

    Attributes:
        windows: The windows.
        fields: Names of the fields of the equation.
        grid: Grid of every field.
        layouts: Layout by field.
        scale: Standard deviation of all targets by field; divides the residuals.
        num_values: Number of distinct observed values; predicted values count with their weight.
            Initial frames count after :meth:`with_starts_observed`.

    Raises:
        CalibrationError: without windows, or if all values are hidden.
    """

    def __init__(self, data: ObservedData) -> None:
        if not data.windows:
            raise CalibrationError(
                "the data source is empty; calibration needs at least one window"
            )
        self.windows: list[ObservationWindow] = list(data.windows)
        self._recordings: list[ObservedSimulation] = list(data.recordings)
        self.fields = tuple(layout.name for layout in data.layouts)
        self.layouts, self.grid = {each.name: each for each in data.layouts}, data.grid
        self._count: dict[_Frame, float] = {}
        self._starts: dict[str, torch.Tensor] | None = None
        # Weights of batches without hidden values; they are asked for again and again.
        self._known_weights: dict[tuple[str, tuple[_Frame, ...]], torch.Tensor] = {}
        for window in self.windows:
            self._count_targets(window)
        self.scale = {name: self._deviation(name) for name in self.fields}
        self.num_values = self._count_values()
        if not self.num_values:
            raise CalibrationError(
                "data.observations: hides all values of the data; observe at least one"
            )

    @property
    def hides(self) -> bool:
        """True if some values of the data are hidden, or sensors are used."""
        return any(
            window.readings or any(self._hides(window, frame) for frame in window.frames)
            for window in self.windows
            if not window.is_predicted
        )

    @property
    def simulation_numbers(self) -> list[int]:
        """Numbers of the simulations in the data source, ascending."""
        return sorted({window.simulation for window in self.windows})

    @property
    def simulations(self) -> list[int]:
        """Position of each window's simulation in :attr:`simulation_numbers`."""
        position = {number: place for place, number in enumerate(self.simulation_numbers)}
        return [position[window.simulation] for window in self.windows]

    def counts_by_simulation(self) -> np.ndarray:
        """Number of distinct observed values of each simulation, ``[S]``."""
        windows: list[list[ObservationWindow]] = [[] for _ in self.simulation_numbers]
        for window, place in zip(self.windows, self.simulations, strict=True):
            windows[place].append(window)
        return np.array([self._with_windows(own).num_values for own in windows])

    @property
    def has_predictions(self) -> bool:
        """True if some hidden values are replaced by predictions."""
        return any(recording.has_predictions for recording in self._recordings)

    def without_predictions(self) -> "Observations":
        """Only what was observed.

        Raises:
            CalibrationError: if nothing was observed.
        """
        kept = [n for n, window in enumerate(self.windows) if not window.is_predicted]
        part = self._with_windows([self.windows[number] for number in kept])
        part._recordings = [recording.without_predictions() for recording in self._recordings]
        part.num_values = part._count_values()
        if self._starts is not None:
            part._starts = {name: values[kept] for name, values in self._starts.items()}
        if not part.num_values:
            raise CalibrationError(
                "data.observations: all values are predicted; observe at least one"
            )
        return part

    def subset(self, num_windows: int, num_frames: int) -> "Observations":
        """A few evenly chosen windows, cut to their first frames; uncut with sensors.

        Entirely predicted windows are left out.
        """
        chosen = self.evenly_chosen(num_windows)
        part = self._with_windows([self.windows[index].first(num_frames) for index in chosen])
        if self._starts is not None:
            part._starts = {name: values[chosen] for name, values in self._starts.items()}
        return part if part.num_values else self

    @property
    def shares_frames(self) -> bool:
        """True if some frame is a target of several windows."""
        return any(count > 1 for count in self._count.values())

    def evenly_chosen(self, num_windows: int) -> list[int]:
        """Numbers of a few windows that are not entirely predicted."""
        real = [n for n, window in enumerate(self.windows) if not window.is_predicted]
        positions = np.linspace(0, len(real) - 1, num_windows).round().astype(int)
        return [real[position] for position in np.unique(positions)]

    def until(self, num_frames: int, dt: float) -> "Observations":
        """All windows, cut to their first frames and the sensor readings up to then.

        Args:
            num_frames: Number of target frames.
            dt: Time between frames [time].

        Raises:
            CalibrationError: if nothing is observed in these frames.
        """
        part = self._with_windows([window.first(num_frames, dt) for window in self.windows])
        if not part.num_values:
            raise CalibrationError(f"nothing is observed in the first {num_frames} frames")
        return part

    def starting_from(self, states: Mapping[str, torch.Tensor]) -> "Observations":
        """The same windows with other initial states, ``[W, C, *space]`` by field."""
        changed = copy(self)
        changed._starts = dict(states)
        return changed

    def with_starts_observed(self) -> "Observations":
        """The same windows with their initial frames as observations.

        All frames get the mean count: other weights of the initial frame relative to the following
        ones would bias the parameters.
        """
        changed = copy(self)
        counts = dict(self._count)
        for window in self.windows:
            start = (window.recording, window.frames[0])
            counts[start] = counts.get(start, 0) + 1
        changed._count = dict.fromkeys(counts, sum(counts.values()) / len(counts))
        changed._known_weights = {}
        changed.num_values = changed._count_values()
        return changed

    @property
    def hides_starts(self) -> bool:
        """True if some initial state is partly hidden."""
        real = (window for window in self.windows if not window.is_predicted)
        return any(self._hides(window, window.frames[0]) for window in real)

    def chunks(self) -> Iterator[list[int]]:
        """Numbers of the windows of each batch; these have equal :attr:`batch_key`."""
        by_key: dict[tuple[Any, ...], list[int]] = {}
        for number, window in enumerate(self.windows):
            by_key.setdefault(window.batch_key, []).append(number)
        size = max(1, CHUNK_VALUES // self.state_size)
        for numbers in by_key.values():
            # Equal chunks: a smaller last one would need another compilation.
            for part in np.array_split(numbers, -(-len(numbers) // size)):
                yield part.tolist()

    @property
    def state_size(self) -> int:
        """Number of values of the state of one window."""
        values = self._recordings[self.windows[0].recording].values
        return sum(values[name][0].numel() for name in self.fields)

    def initial(self, numbers: Sequence[int]) -> dict[str, torch.Tensor]:
        """Initial states ``[B, C, *space]`` by field, in double precision; hidden values are 0."""
        if self._starts is not None:
            return {name: values[list(numbers)] for name, values in self._starts.items()}
        return {name: self._stack(name, self._at(numbers, 0)) for name in self.fields}

    def target(self, numbers: Sequence[int], frame: int, name: str) -> torch.Tensor:
        """Target ``frame`` of one field, ``[B, C, *space]``, in double precision."""
        return self._stack(name, self._at(numbers, frame + 1))

    def weight(self, numbers: Sequence[int], frame: int, name: str) -> torch.Tensor | None:
        """Factor of a residual, √weight/(√count · scale); 0 for hidden values.

        ``[B, 1, 1…]`` or ``[B, C, *space]``; ``None`` if all values are hidden.
        """
        return self._weights(name, self._at(numbers, frame + 1))

    def initial_weight(self, numbers: Sequence[int], name: str) -> torch.Tensor | None:
        """Factor of the residual of initial frames, after :meth:`with_starts_observed`."""
        return self._weights(name, self._at(numbers, 0))

    def conditions(self, numbers: Sequence[int], repeats: int = 1) -> Conditions:
        """Known parameters of windows, the whole batch repeated ``repeats`` times."""
        constant, series = {}, {}
        for name in self.windows[numbers[0]].known:
            stacked = torch.stack([self.windows[number].known[name] for number in numbers])
            stacked = torch.cat([stacked] * repeats)
            if name in self.windows[numbers[0]].series:
                series[name] = stacked
            else:
                constant[name] = stacked
        return Conditions(constant, series)

    def sample(self, name: str, num_values: int) -> np.ndarray:
        """Evenly chosen observed values of a field as they are stored, ``[n]``."""
        windows = [window for window in self.windows if not window.is_predicted]
        frames = sorted({frame for window in windows for frame in _targets(window)})
        each = max(1, num_values // max(len(frames), 1))
        parts = []
        for recording, frame in frames[:: max(1, len(frames) // num_values)]:
            observed = self._recordings[recording].observed(name, frame)
            parts.append(observed[:: max(1, len(observed) // each)].double().numpy())
        readings = [window.readings for window in windows if window.readings]
        parts += [r.values[name][r.present[name]].double().numpy() for r in readings]
        return np.concatenate(parts)

    def repeated(self, windows: Sequence[int], copies: int) -> "Observations":
        """Copies of windows, each copy of each window a simulation of its own.

        Copy c of the k-th window is simulation c · K + k, for K windows.
        """
        many = [
            replace(self.windows[number], simulation=copy_number * len(windows) + place)
            for copy_number in range(copies)
            for place, number in enumerate(windows)
        ]
        return self._with_windows(many)

    def _with_windows(self, windows: list[ObservationWindow]) -> "Observations":
        """Observations of other windows of the same frames."""
        part = copy(self)
        part.windows, part._count, part._known_weights = windows, {}, {}
        for window in windows:
            part._count_targets(window)
        part.num_values = part._count_values()
        return part

    def _at(self, numbers: Sequence[int], place: int) -> list[_Frame]:
        """One frame of each window; the initial one is at place 0."""
        windows = (self.windows[number] for number in numbers)
        return [(window.recording, window.frames[place]) for window in windows]

    def _stack(self, name: str, frames: Sequence[_Frame]) -> torch.Tensor:
        """Frames ``[B, C, *space]`` in double precision, gathered from each recording at once."""
        recordings = {recording for recording, _ in frames}
        if len(recordings) == 1:
            return self._recordings[recordings.pop()].frames(name, [f for _, f in frames])
        parts = [self._recordings[recording].frames(name, [f]) for recording, f in frames]
        return torch.cat(parts)

    def _weights(self, name: str, frames: Sequence[_Frame]) -> torch.Tensor | None:
        key = name, tuple(frames)
        if key in self._known_weights:
            return self._known_weights[key]
        counts = torch.tensor([self._count[frame] for frame in frames], dtype=torch.float64)
        weights = (counts**-0.5 / self.scale[name]).reshape(-1, *(1,) * (len(self.grid.axes) + 1))
        roots = [self._recordings[each].root_weights(name, frame) for each, frame in frames]
        shape = (self.layouts[name].channels, *self.grid.shape)
        if all(root is None for root in roots):
            self._known_weights[key] = weights
            return weights
        ones = torch.ones(shape, dtype=torch.float64)
        stacked = torch.stack([ones if root is None else root for root in roots])
        return weights * stacked if bool(stacked.any()) else None

    def _hides(self, window: ObservationWindow, frame: int) -> bool:
        """True if some values of the fields of the equation are hidden in a frame."""
        recording = self._recordings[window.recording]
        return any(recording.mask(name, frame) is not None for name in self.fields)

    def _count_targets(self, window: ObservationWindow) -> None:
        for frame in _targets(window):
            self._count[frame] = self._count.get(frame, 0) + 1

    def _count_values(self) -> float:
        in_frames = sum(
            self._recordings[recording].weight(name, frame)
            for recording, frame in self._count
            for name in self.fields
        )
        return in_frames + sum(w.readings.num_values for w in self.windows if w.readings)

    def _deviation(self, name: str) -> float:
        """Standard deviation of all observed values of a field, in two passes over the frames."""
        windows = [window for window in self.windows if not window.is_predicted]
        frames = sorted({frame for window in windows for frame in _targets(window)})
        readings = [window.readings for window in self.windows if window.readings]

        def parts() -> Iterator[torch.Tensor]:
            for recording, frame in frames:
                yield self._recordings[recording].observed(name, frame).double()
            yield from (each.values[name][each.present[name]].double() for each in readings)

        sums = [(len(values), float(values.sum())) for values in parts()]
        count = sum(number for number, _ in sums)
        if not count:
            return 1.0
        mean = sum(total for _, total in sums) / count
        variance = sum(float(((values - mean) ** 2).sum()) for values in parts()) / count
        # The scale of a constant field is its magnitude; 1 for zero.
        return variance**0.5 if variance > 1e-30 * mean**2 else abs(mean) or 1.0


def _targets(window: ObservationWindow) -> Iterator[_Frame]:
    """The target frames of a window."""
    return ((window.recording, frame) for frame in window.frames[1:])
