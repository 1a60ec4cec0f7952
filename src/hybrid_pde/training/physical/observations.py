"""What the parameters are estimated from: windows of frames, every distinct frame kept once.

Layout of native tensors: ``B`` windows, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from phi.torch.flow import Field, math

from hybrid_pde.data.field_conversion import from_field, grid_of, layout_of, to_field
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import CalibrationError
from hybrid_pde.models.physical.conditions import Conditions, native_value, split_known
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical.field_trainer import Sample
from hybrid_pde.training.physical.frame_store import FrameStore
from hybrid_pde.training.physical.window import (
    Guidance,
    Visibility,
    Window,
    WindowFields,
    cut_window,
)

# States of so many numbers in all are advanced together: more saves no time, and costs memory.
CHUNK_VALUES = 2**17


class Observations:
    """All windows of a data source.

    A frame that is in several windows is one observation: its residuals are weighted by 1/√count,
    so that it counts once.

    Args:
        samples: Pairs ``({name: Field}, {name: [Field, …]})``; a batch dimension holds several.
        model: The equation, which says what fields and parameters are.
        visibility: What of them is seen; all of it by default.
        grid: Their grid, where the caller knows it better than the fields do.

    Attributes:
        fields: Names of the fields that the equation has.
        grid: Grid of every field.
        layouts: Layout by field.
        scale: Standard deviation of all targets, by field, which residuals are divided by.
        num_values: Number of distinct observed numbers, of which a prediction in the place of one
            counts as much as it weighs; initial frames count once they are observed
            (:meth:`with_starts_observed`).

    Raises:
        CalibrationError: for no samples, samples that differ in grid, or a value not finite.
    """

    def __init__(
        self,
        samples: Iterable[Sample],
        model: PhysicalModel,
        visibility: Visibility | None = None,
        grid: Grid | None = None,
    ) -> None:
        self._model, self._visibility, self._given_grid = model, visibility, grid
        self._guidance = visibility if isinstance(visibility, Guidance) else None
        self.fields: tuple[str, ...] = ()
        self.windows: list[Window] = []
        self._store = FrameStore()
        self._count: dict[int, float] = {}
        self.layouts: dict[str, FieldLayout] = {}
        self._grid: Grid | None = None
        self._starts: dict[str, torch.Tensor] | None = None
        for number, (initial, targets) in enumerate(samples):
            self._add(number, initial, targets)
        if not self.windows:
            raise CalibrationError("the data source is empty: there is nothing to calibrate on")
        self.scale = self._scales()
        self.num_values = self._count_values()
        if not self.num_values:
            raise CalibrationError("nothing of the data is observed: data.observations hides it")

    @property
    def grid(self) -> Grid:
        """Grid of every field."""
        assert self._grid is not None
        return self._grid

    @property
    def hides(self) -> bool:
        """Whether some values of the data are hidden, or there are sensors."""
        return any(
            window.readings or any(self._store.hides_of(at) for at in _frames_of(window))
            for window in self.windows
            if not window.is_predicted
        )

    @property
    def are_guided(self) -> bool:
        """Whether there are predictions in the place of observations."""
        return self._store.has_predictions

    def without_predictions(self) -> "Observations":
        """What was observed alone.

        Raises:
            CalibrationError: if that is nothing.
        """
        kept = [n for n, window in enumerate(self.windows) if not window.is_predicted]
        part = self._of([self.windows[number] for number in kept])
        part._store = self._store.without_predictions()
        part.num_values = part._count_values()
        if self._starts is not None:
            part._starts = {name: values[kept] for name, values in self._starts.items()}
        if not part.num_values:
            raise CalibrationError("nothing of the data is observed, all of it is predicted")
        return part

    def subset(self, num_windows: int, num_frames: int) -> "Observations":
        """A few windows spread over all, cut to their first frames; with sensors, whole ones.

        Windows that are predictions alone are not among them.
        """
        real = [n for n, window in enumerate(self.windows) if not window.is_predicted]
        places = np.linspace(0, len(real) - 1, num_windows).round().astype(int)
        chosen = np.array(real)[np.unique(places)]
        part = self._of([cut_window(self.windows[index], num_frames) for index in chosen])
        if self._starts is not None:
            part._starts = {name: values[chosen] for name, values in self._starts.items()}
        return part if part.num_values else self

    def until(self, num_frames: int, dt: float) -> "Observations":
        """All windows, cut to their first frames and to what sensors read until then.

        Args:
            num_frames: Number of target frames.
            dt: Time between frames [time].

        Raises:
            CalibrationError: if nothing is seen by then.
        """
        part = self._of([cut_window(window, num_frames, dt) for window in self.windows])
        if not part.num_values:
            raise CalibrationError(f"nothing is observed in the first {num_frames} frames")
        return part

    def starting_from(self, states: Mapping[str, torch.Tensor]) -> "Observations":
        """The same windows with other initial states, ``[W, C, *space]`` by field."""
        changed = copy(self)
        changed._starts = dict(states)
        return changed

    def with_starts_observed(self) -> "Observations":
        """The same windows, whose initial frames are observations like the others.

        All frames are given the mean of the counts: a window whose first frame weighed more or less
        than those after it would be believed too much or too little, which shifts the parameters.
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
        """Whether a part of some initial state is hidden."""
        windows = (window for window in self.windows if not window.is_predicted)
        starts = (at for window in windows for at in window.initial.values())
        return any(self._store.hides_of(at) for at in starts)

    def chunks(self) -> Iterator[list[int]]:
        """Numbers of the windows that are advanced together, of equal course."""
        by_course: dict[tuple[Any, ...], list[int]] = {}
        for number, window in enumerate(self.windows):
            by_course.setdefault(window.course, []).append(number)
        size = max(1, CHUNK_VALUES // self.state_size)
        for numbers in by_course.values():
            # Equal chunks: a smaller last one would be compiled on its own.
            for part in np.array_split(numbers, -(-len(numbers) // size)):
                yield part.tolist()

    @property
    def state_size(self) -> int:
        """How many numbers make up the state of one window."""
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
        """One field's target ``frame``, ``[B, C, *space]``, in double precision."""
        return self._store.stack([self.windows[number].targets[name][frame] for number in numbers])

    def weight(self, numbers: Sequence[int], frame: int, name: str) -> torch.Tensor | None:
        """What a residual is multiplied by: √weight/(√count · scale), 0 where nothing is seen.

        ``[B, 1, 1…]`` or ``[B, C, *space]``; ``None`` where nothing at all is seen.
        """
        return self._weights(name, [self.windows[n].targets[name][frame] for n in numbers])

    def initial_weight(self, numbers: Sequence[int], name: str) -> torch.Tensor | None:
        """The same for initial frames, once they are observed."""
        return self._weights(name, [self.windows[n].initial[name] for n in numbers])

    def conditions(self, numbers: Sequence[int], repeats: int = 1) -> Conditions:
        """Known parameters of windows, the whole batch ``repeats`` times over."""
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
        """The windows as pairs of fields, whatever they came from."""
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

    def _of(self, windows: list[Window]) -> "Observations":
        """Observations of some windows, which are counted anew."""
        part = copy(self)
        part.windows, part._count = windows, {}
        for window in windows:
            part._count_targets(window)
        part.num_values = part._count_values()
        return part

    def _add(
        self, number: int, initial: Mapping[str, Any], targets: Mapping[str, Sequence[Any]]
    ) -> None:
        spec = self._model.spec
        present, known = split_known(spec, initial)
        if not self.fields:
            self.fields = tuple(match_roles(spec, list(present)).values())
        missing = [name for name in self.fields if name not in present or name not in targets]
        if missing:
            raise CalibrationError(f"window {number}: the fields {missing} are missing")
        grid = self._given_grid or grid_of(present[self.fields[0]])
        if self._grid is None:
            self._grid = grid
            self.layouts = {name: layout_of(name, present[name]) for name in self.fields}
        elif grid != self._grid:
            raise CalibrationError(f"window {number} lives on {grid}, the first on {self._grid}")
        starts = {name: self._positions(number, name, 0, present[name]) for name in self.fields}
        ends = {
            name: [self._positions(number, name, k + 1, f) for k, f in enumerate(targets[name])]
            for name in self.fields
        }
        lengths = {len(frames) for frames in ends.values()}
        if lengths == {0} or len(lengths) != 1:
            raise CalibrationError(f"window {number}: needs equally many target frames, at least 1")
        size = len(next(iter(starts.values())))
        brought = self._known(number, known, targets, size)
        readings = None if self._visibility is None else self._visibility.readings(number)
        for entry in range(size):
            window = Window(
                {name: at[entry] for name, at in starts.items()},
                {name: tuple(at[entry] for at in frames) for name, frames in ends.items()},
                {name: values[entry] for name, values in brought.items()},
                frozenset(name for name in brought if name in targets),
                readings,
                self._guidance is not None and self._guidance.is_predicted(number),
            )
            self.windows.append(window)
            self._count_targets(window)

    def _known(
        self, number: int, known: Mapping[str, Any], targets: Mapping[str, Any], size: int
    ) -> dict[str, torch.Tensor]:
        """Known parameters ``[B, …]``, or ``[B, T + 1, …]`` of those with values at every frame."""
        found = {}
        with math.precision(64):
            for name, value in known.items():
                if name in targets:
                    frames = [native_value(v, self.grid, size) for v in (value, *targets[name])]
                    found[name] = torch.stack(frames, dim=1)
                else:
                    found[name] = native_value(value, self.grid, size)
                if not bool(torch.isfinite(found[name]).all()):
                    raise CalibrationError(f"window {number}: the known {name!r} is not finite")
        return found

    def _positions(self, number: int, name: str, frame: int, field: Field) -> list[int]:
        with math.precision(64):  # otherwise PhiFlow casts to single precision
            native = from_field(field, self.grid, self.layouts[name]).detach()
        if native.ndim == len(self.grid.axes) + 1:
            native = native.unsqueeze(0)
        mask = None if self._visibility is None else self._visibility.mask(number, name, frame)
        rest = 0.0
        if mask is not None and self._guidance is not None:
            rest = self._guidance.hidden_weight(number, frame)
        if mask is not None and rest == 0:
            native = torch.where(mask, native, 0.0)
        if not bool(torch.isfinite(native).all()):
            raise CalibrationError(
                f"window {number}, frame {frame}: {name!r} holds values that are not finite"
            )
        return [self._store.add(name, entry, mask, rest) for entry in native]

    def _weights(self, name: str, positions: Sequence[int]) -> torch.Tensor | None:
        counts = torch.tensor([self._count[at] for at in positions], dtype=torch.float64)
        weights = (counts**-0.5 / self.scale[name]).reshape(-1, *(1,) * (len(self.grid.axes) + 1))
        return self._store.masked(weights, positions)

    def _count_targets(self, window: Window) -> None:
        for positions in window.targets.values():
            for position in positions:
                self._count[position] = self._count.get(position, 0) + 1

    def _count_values(self) -> float:
        seen = sum(self._store.weight(position) for position in self._count)
        return seen + sum(w.readings.num_values for w in self.windows if w.readings)

    def _scales(self) -> dict[str, float]:
        return {name: self._deviation(name) for name in self.fields}

    def _deviation(self, name: str) -> float:
        """Standard deviation of everything seen of a field."""
        windows = [window for window in self.windows if not window.is_predicted]
        positions = {at for window in windows for at in window.targets[name]}
        seen = [self._store.seen(at) for at in sorted(positions)]
        readings = [window.readings for window in self.windows if window.readings]
        seen += [each.values[name][each.present[name]] for each in readings]
        seen = [values for values in seen if len(values)]
        if not seen:
            return 1.0
        count = sum(len(values) for values in seen)
        mean = sum(float(values.double().sum()) for values in seen) / count
        variance = sum(float(((values.double() - mean) ** 2).sum()) for values in seen) / count
        # A field that is constant everywhere sets no scale; its own magnitude does, else one.
        return variance**0.5 if variance > 1e-30 * mean**2 else abs(mean) or 1.0

    def _field(self, name: str, position: int) -> Field:
        with math.precision(64):  # otherwise PhiFlow casts to single precision
            return to_field(self._store.frame(position), self.grid, self.layouts[name])


def _frames_of(window: Window) -> Iterator[int]:
    """Positions of all frames of a window."""
    yield from window.initial.values()
    for positions in window.targets.values():
        yield from positions
