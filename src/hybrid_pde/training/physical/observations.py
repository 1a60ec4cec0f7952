"""Observations of a calibration: windows of frames with weights.

Layout of native tensors: ``B`` windows, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from phi.torch.flow import Field, math

from hybrid_pde.data.field_conversion import to_field
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import CalibrationError
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical.field_trainer import Sample
from hybrid_pde.training.physical.observation_window import (
    ObservationWindow,
    Visibility,
    WindowFields,
    cut_window,
)
from hybrid_pde.training.physical.window_reader import WindowReader

# Largest number of values of all states advanced in one batch; more costs memory and saves no time.
CHUNK_VALUES = 2**17


class Observations:
    """All windows of a data source.

    A frame in several windows is one observation: its residuals are weighted by 1/√count.

    Args:
        samples: Pairs ``({name: Field}, {name: [Field, …]})``; a batch dimension holds several.
        model: The equation, which defines fields and known parameters.
        visibility: Which values are observed; all of them by default.
        grid: Grid of the fields, if the caller knows it better than the fields do.

    Attributes:
        fields: Names of the fields of the equation.
        grid: Grid of every field.
        layouts: Layout by field.
        scale: Standard deviation of all targets by field; divides the residuals.
        num_values: Number of distinct observed values; predicted values count with their weight.
            Initial frames count after :meth:`with_starts_observed`.

    Raises:
        CalibrationError: without samples, for samples on different grids, or for values that are
            not finite.
    """

    def __init__(
        self,
        samples: Iterable[Sample],
        model: PhysicalModel,
        visibility: Visibility | None = None,
        grid: Grid | None = None,
    ) -> None:
        reader = WindowReader(model, visibility, grid)
        self.windows: list[ObservationWindow] = []
        self._count: dict[int, float] = {}
        self._starts: dict[str, torch.Tensor] | None = None
        locate = getattr(samples, "window", None)
        for number, (initial, targets) in enumerate(samples):
            for window in reader.read(number, initial, targets):
                # without a data set, every window is a simulation of its own
                simulation = len(self.windows) if locate is None else locate(number)[0]
                self.windows.append(replace(window, simulation=simulation))
                self._count_targets(window)
        if not self.windows:
            raise CalibrationError(
                "the data source is empty; calibration needs at least one window"
            )
        assert reader.grid is not None
        self.fields, self.layouts, self.grid = reader.fields, reader.layouts, reader.grid
        self._store = reader.store
        self.scale = self._scales()
        self.num_values = self._count_values()
        if not self.num_values:
            raise CalibrationError(
                "data.observations: hides all values of the data; observe at least one"
            )

    @property
    def hides(self) -> bool:
        """True if some values of the data are hidden, or sensors are used."""
        return any(
            window.readings or any(self._store.hides(at) for at in _frames_of(window))
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
        return self._store.has_predictions

    def without_predictions(self) -> "Observations":
        """Only what was observed.

        Raises:
            CalibrationError: if nothing was observed.
        """
        kept = [n for n, window in enumerate(self.windows) if not window.is_predicted]
        part = self._with_windows([self.windows[number] for number in kept])
        part._store = self._store.without_predictions()
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
        real = [n for n, window in enumerate(self.windows) if not window.is_predicted]
        positions = np.linspace(0, len(real) - 1, num_windows).round().astype(int)
        chosen = np.array(real)[np.unique(positions)]
        part = self._with_windows([cut_window(self.windows[index], num_frames) for index in chosen])
        if self._starts is not None:
            part._starts = {name: values[chosen] for name, values in self._starts.items()}
        return part if part.num_values else self

    def until(self, num_frames: int, dt: float) -> "Observations":
        """All windows, cut to their first frames and the sensor readings up to then.

        Args:
            num_frames: Number of target frames.
            dt: Time between frames [time].

        Raises:
            CalibrationError: if nothing is observed in these frames.
        """
        part = self._with_windows([cut_window(window, num_frames, dt) for window in self.windows])
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
            for position in window.initial.values():
                counts[position] = counts.get(position, 0) + 1
        changed._count = dict.fromkeys(counts, sum(counts.values()) / len(counts))
        changed.num_values = changed._count_values()
        return changed

    @property
    def hides_starts(self) -> bool:
        """True if some initial state is partly hidden."""
        windows = (window for window in self.windows if not window.is_predicted)
        starts = (at for window in windows for at in window.initial.values())
        return any(self._store.hides(at) for at in starts)

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
        return sum(self._store.size(at) for at in self.windows[0].initial.values())

    def initial(self, numbers: Sequence[int]) -> dict[str, torch.Tensor]:
        """Initial states ``[B, C, *space]`` by field, in double precision; hidden values are 0."""
        if self._starts is not None:
            return {name: values[list(numbers)] for name, values in self._starts.items()}
        return {
            name: self._store.stack([self.windows[number].initial[name] for number in numbers])
            for name in self.fields
        }

    def target(self, numbers: Sequence[int], frame: int, name: str) -> torch.Tensor:
        """Target ``frame`` of one field, ``[B, C, *space]``, in double precision."""
        return self._store.stack([self.windows[number].targets[name][frame] for number in numbers])

    def weight(self, numbers: Sequence[int], frame: int, name: str) -> torch.Tensor | None:
        """Factor of a residual, √weight/(√count · scale); 0 for hidden values.

        ``[B, 1, 1…]`` or ``[B, C, *space]``; ``None`` if all values are hidden.
        """
        return self._weights(name, [self.windows[n].targets[name][frame] for n in numbers])

    def initial_weight(self, numbers: Sequence[int], name: str) -> torch.Tensor | None:
        """Factor of the residual of initial frames, after :meth:`with_starts_observed`."""
        return self._weights(name, [self.windows[n].initial[name] for n in numbers])

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

    def __iter__(self) -> Iterator[Sample]:
        """The windows as pairs of initial and target fields."""
        for number, window in enumerate(self.windows):
            initial = WindowFields({n: self._field(n, at) for n, at in window.initial.items()})
            initial.window = number
            yield (
                initial,
                {
                    name: [self._field(name, position) for position in at]
                    for name, at in window.targets.items()
                },
            )

    def sample(self, name: str, num_values: int) -> np.ndarray:
        """Evenly chosen observed values of a field as they are stored, ``[n]``."""
        windows = [window for window in self.windows if not window.is_predicted]
        positions = sorted({at for window in windows for at in window.targets[name]})
        each = max(1, num_values // max(len(positions), 1))
        parts = []
        for at in positions[:: max(1, len(positions) // num_values)]:
            observed = self._store.observed(at)
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
        part.windows, part._count = windows, {}
        for window in windows:
            part._count_targets(window)
        part.num_values = part._count_values()
        return part

    def _weights(self, name: str, positions: Sequence[int]) -> torch.Tensor | None:
        counts = torch.tensor([self._count[at] for at in positions], dtype=torch.float64)
        weights = (counts**-0.5 / self.scale[name]).reshape(-1, *(1,) * (len(self.grid.axes) + 1))
        return self._store.masked(weights, positions)

    def _count_targets(self, window: ObservationWindow) -> None:
        for positions in window.targets.values():
            for position in positions:
                self._count[position] = self._count.get(position, 0) + 1

    def _count_values(self) -> float:
        in_frames = sum(self._store.weight(position) for position in self._count)
        return in_frames + sum(w.readings.num_values for w in self.windows if w.readings)

    def _scales(self) -> dict[str, float]:
        return {name: self._deviation(name) for name in self.fields}

    def _deviation(self, name: str) -> float:
        """Standard deviation of all observed values of a field."""
        windows = [window for window in self.windows if not window.is_predicted]
        positions = {at for window in windows for at in window.targets[name]}
        parts = [self._store.observed(at) for at in sorted(positions)]
        readings = [window.readings for window in self.windows if window.readings]
        parts += [each.values[name][each.present[name]] for each in readings]
        parts = [values for values in parts if len(values)]
        if not parts:
            return 1.0
        count = sum(len(values) for values in parts)
        mean = sum(float(values.double().sum()) for values in parts) / count
        variance = sum(float(((values.double() - mean) ** 2).sum()) for values in parts) / count
        # The scale of a constant field is its magnitude; 1 for zero.
        return variance**0.5 if variance > 1e-30 * mean**2 else abs(mean) or 1.0

    def _field(self, name: str, position: int) -> Field:
        with math.precision(64):  # otherwise PhiFlow casts to single precision
            return to_field(self._store.frame(position), self.grid, self.layouts[name])


def _frames_of(window: ObservationWindow) -> Iterator[int]:
    """Positions of all frames of a window."""
    yield from window.initial.values()
    for positions in window.targets.values():
        yield from positions
