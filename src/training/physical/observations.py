"""What the parameters are estimated from: windows of frames, every distinct frame kept once.

Layout of native tensors: ``B`` windows, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from phi.torch.flow import Field, math

from src.data.fields import from_field, grid_of, layout_of, to_field
from src.data.grid import FieldLayout, Grid
from src.errors import CalibrationError
from src.training.field_trainer import Sample

# States of so many numbers in all are advanced together: more saves no time, and costs memory.
CHUNK_VALUES = 2**17


@dataclass(frozen=True)
class Window:
    """An initial frame and the frames after it, as positions in the store, by field."""

    initial: dict[str, int]
    targets: dict[str, tuple[int, ...]]

    @property
    def num_frames(self) -> int:
        """Number of target frames."""
        return len(next(iter(self.targets.values())))


class Observations:
    """All windows of a data source.

    A frame that is a target in several windows is one observation: its residuals are weighted by
    1/√count, so that it counts once.

    Args:
        samples: Pairs ``({name: Field}, {name: [Field, …]})``; a batch dimension holds several.
        fields: Names of the fields that the equation has.

    Attributes:
        grid: Grid of every field.
        layouts: Layout by field.
        scale: Standard deviation of all targets, by field, which residuals are divided by.
        num_values: Number of distinct observed numbers.

    Raises:
        CalibrationError: for no samples, samples that differ in grid, or a value not finite.
    """

    def __init__(self, samples: Iterable[Sample], fields: Sequence[str]) -> None:
        self.fields = tuple(fields)
        self.windows: list[Window] = []
        self._frames: list[torch.Tensor] = []
        self._position: dict[bytes, int] = {}
        self._count: dict[int, int] = {}
        self.layouts: dict[str, FieldLayout] = {}
        self.grid: Grid | None = None
        for number, (initial, targets) in enumerate(samples):
            self._add(number, initial, targets)
        if not self.windows:
            raise CalibrationError("the data source is empty: there is nothing to calibrate on")
        self.scale = {name: self._deviation(name) for name in self.fields}
        self.num_values = sum(self._frames[position].numel() for position in self._count)

    def subset(self, num_windows: int, num_frames: int) -> "Observations":
        """A few windows spread over all, cut to their first frames."""
        chosen = np.unique(np.linspace(0, len(self.windows) - 1, num_windows).round().astype(int))
        part = object.__new__(Observations)
        part.__dict__.update(self.__dict__)
        part.windows = [
            Window(
                self.windows[index].initial,
                {name: at[:num_frames] for name, at in self.windows[index].targets.items()},
            )
            for index in chosen
        ]
        part._count = {}
        for window in part.windows:
            part._count_targets(window)
        part.num_values = sum(self._frames[position].numel() for position in part._count)
        return part

    def chunks(self) -> Iterator[list[int]]:
        """Numbers of the windows that are advanced together; all have equally many frames."""
        by_length: dict[int, list[int]] = {}
        for number, window in enumerate(self.windows):
            by_length.setdefault(window.num_frames, []).append(number)
        values = sum(self._frames[at].numel() for at in self.windows[0].initial.values())
        size = max(1, CHUNK_VALUES // values)
        for numbers in by_length.values():
            # Equal chunks: a smaller last one would be compiled on its own.
            for part in np.array_split(numbers, -(-len(numbers) // size)):
                yield part.tolist()

    def initial(self, numbers: Sequence[int]) -> dict[str, torch.Tensor]:
        """Initial states ``[B, C, *space]`` by field, in double precision."""
        return {
            name: self._stack([self.windows[number].initial[name] for number in numbers])
            for name in self.fields
        }

    def target(self, numbers: Sequence[int], frame: int, name: str) -> torch.Tensor:
        """One field's target ``frame``, ``[B, C, *space]``, in double precision."""
        return self._stack([self.windows[number].targets[name][frame] for number in numbers])

    def weight(self, numbers: Sequence[int], frame: int, name: str) -> torch.Tensor:
        """What a residual is multiplied by, ``[B, 1, 1…]``: 1/(√count · scale)."""
        counts = [self._count[self.windows[n].targets[name][frame]] for n in numbers]
        weights = torch.tensor(counts, dtype=torch.float64) ** -0.5 / self.scale[name]
        assert self.grid is not None
        return weights.reshape(-1, *(1,) * (len(self.grid.axes) + 1))

    def __iter__(self) -> Iterator[Sample]:
        """The windows as pairs of fields, whatever they came from."""
        assert self.grid is not None
        for window in self.windows:
            yield (
                {name: self._field(name, at) for name, at in window.initial.items()},
                {
                    name: [self._field(name, position) for position in at]
                    for name, at in window.targets.items()
                },
            )

    def count_of(self, name: str, frame: torch.Tensor) -> int:
        """In how many windows a frame ``[C, *space]`` is a target; 1 for an unknown one."""
        return self._count.get(self._position.get(_digest(name, frame), -1), 1)

    def _add(
        self, number: int, initial: Mapping[str, Field], targets: Mapping[str, Sequence[Field]]
    ) -> None:
        missing = [name for name in self.fields if name not in initial or name not in targets]
        if missing:
            raise CalibrationError(f"window {number}: the fields {missing} are missing")
        grid = grid_of(initial[self.fields[0]])
        if self.grid is None:
            self.grid = grid
            self.layouts = {name: layout_of(name, initial[name]) for name in self.fields}
        elif grid != self.grid:
            raise CalibrationError(f"window {number} lives on {grid}, the first on {self.grid}")
        starts = {name: self._store(number, name, 0, initial[name]) for name in self.fields}
        ends = {
            name: [self._store(number, name, k + 1, f) for k, f in enumerate(targets[name])]
            for name in self.fields
        }
        lengths = {len(frames) for frames in ends.values()}
        if lengths == {0} or len(lengths) != 1:
            raise CalibrationError(f"window {number}: needs equally many target frames, at least 1")
        for entry in range(len(next(iter(starts.values())))):
            window = Window(
                {name: at[entry] for name, at in starts.items()},
                {name: tuple(at[entry] for at in frames) for name, frames in ends.items()},
            )
            self.windows.append(window)
            self._count_targets(window)

    def _store(self, number: int, name: str, frame: int, field: Field) -> list[int]:
        assert self.grid is not None
        with math.precision(64):  # otherwise PhiFlow casts to single precision
            native = from_field(field, self.grid, self.layouts[name]).detach()
        if not bool(torch.isfinite(native).all()):
            raise CalibrationError(
                f"window {number}, frame {frame}: {name!r} holds values that are not finite"
            )
        if native.ndim == len(self.grid.axes) + 1:
            native = native.unsqueeze(0)
        positions = []
        for entry in native:
            digest = _digest(name, entry)
            if digest not in self._position:
                self._position[digest] = len(self._frames)
                self._frames.append(entry)
            positions.append(self._position[digest])
        return positions

    def _count_targets(self, window: Window) -> None:
        for positions in window.targets.values():
            for position in positions:
                self._count[position] = self._count.get(position, 0) + 1

    def _deviation(self, name: str) -> float:
        positions = {at for window in self.windows for at in window.targets[name]}
        frames = [self._frames[at].double() for at in positions]
        mean = sum(float(frame.mean()) for frame in frames) / len(frames)
        variance = sum(float(((frame - mean) ** 2).mean()) for frame in frames) / len(frames)
        # A field that is constant everywhere sets no scale; its own magnitude does, else one.
        return variance**0.5 if variance > 1e-30 * mean**2 else abs(mean) or 1.0

    def _stack(self, positions: Sequence[int]) -> torch.Tensor:
        return torch.stack([self._frames[position] for position in positions]).double()

    def _field(self, name: str, position: int) -> Field:
        assert self.grid is not None
        with math.precision(64):  # otherwise PhiFlow casts to single precision
            return to_field(self._frames[position].double(), self.grid, self.layouts[name])


def _digest(name: str, frame: torch.Tensor) -> bytes:
    content = frame.double().contiguous().numpy().tobytes()
    return hashlib.blake2b(name.encode() + b"\0" + content, digest_size=16).digest()
