"""Observed data from PhiFlow fields that a user gives.

Layout of native tensors: ``B`` windows, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from phi.torch.flow import Field, math

from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.data.field_conversion import from_field, grid_of, layout_of
from hybrid_pde.data.observations.observed_simulation import ObservedSimulation
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import CalibrationError
from hybrid_pde.models.physical.conditions import native_value, split_known
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.training.physical.observation_window import ObservationWindow, ObservedData

States = dict[str, torch.Tensor]


def observed_fields(samples: Iterable[Any], spec: EquationSpec) -> ObservedData:
    """Windows of pairs ``({name: Field}, {name: [Field, …]})``; a batch dimension holds several.

    Fields are converted once. A frame in several windows is stored once, and so is one observation:
    fields do not say where they come from, so frames are compared by value.

    Args:
        samples: The pairs. Their attribute ``grid`` is used if the caller knows it better than the
            fields do, and ``window(number)`` tells the simulation of a sample; otherwise every
            window is a simulation of its own.
        spec: The equation, which defines fields and known parameters.

    Raises:
        CalibrationError: without samples, for missing fields or target frames, samples on different
            grids, or values that are not finite.
    """
    reader = _SampleReader(spec, getattr(samples, "grid", None))
    locate = getattr(samples, "window", None)
    windows: list[ObservationWindow] = []
    for number, (initial, targets) in enumerate(samples):
        for frames, known, series in reader.read(number, initial, targets):
            simulation = len(windows) if locate is None else locate(number)[0]
            windows.append(
                ObservationWindow(0, frames, known, frozenset(series), simulation=simulation)
            )
    if not windows:
        raise CalibrationError("the data source is empty; calibration needs at least one window")
    assert reader.grid is not None
    values = {name: torch.stack(frames) for name, frames in reader.frames.items()}
    return ObservedData(
        reader.grid,
        list(reader.layouts.values()),
        [ObservedSimulation(values, {})],
        windows,
        getattr(samples, "dt", None),
    )


class _SampleReader:
    """Reads samples; keeps each distinct state once.

    Attributes:
        frames: All states ``[C, *space]`` by field.
        layouts: Layouts by field, once a sample has been read.
        grid: Grid of every field, likewise.
    """

    def __init__(self, spec: EquationSpec, grid: Grid | None) -> None:
        self._spec, self._given_grid = spec, grid
        self._position: dict[bytes, int] = {}
        self.frames: dict[str, list[torch.Tensor]] = {}
        self.layouts: dict[str, FieldLayout] = {}
        self.grid: Grid | None = None

    def read(
        self, number: int, initial: Mapping[str, Any], targets: Mapping[str, Sequence[Any]]
    ) -> list[tuple[list[int], dict[str, torch.Tensor], list[str]]]:
        """Frames, known parameters and those that vary in time, of each entry of a sample."""
        present, known = split_known(self._spec, initial)
        if not self.layouts:
            names = match_roles(self._spec, list(present)).values()
            self.layouts = {name: layout_of(name, present[name]) for name in names}
            self.frames = {name: [] for name in names}
        missing = [name for name in self.layouts if name not in present or name not in targets]
        if missing:
            raise CalibrationError(f"window {number}: the fields {missing} are missing")
        self._check_grid(number, present)
        lengths = {len(targets[name]) for name in self.layouts}
        if lengths == {0} or len(lengths) != 1:
            raise CalibrationError(
                f"window {number}: the numbers of target frames are {sorted(lengths)}; every field "
                "needs the same number, at least 1"
            )
        positions = []
        for frame in range(lengths.pop() + 1):
            state = {
                name: self._native(number, frame, name, targets[name][frame - 1])
                if frame
                else self._native(number, frame, name, present[name])
                for name in self.layouts
            }
            positions.append(self._store(state))
        size = len(positions[0])
        values = self._known(number, known, targets, size)
        series = [name for name in values if name in targets]
        return [
            (
                [each[entry] for each in positions],
                {name: value[entry] for name, value in values.items()},
                series,
            )
            for entry in range(size)
        ]

    def _check_grid(self, number: int, present: Mapping[str, Any]) -> None:
        grid = self._given_grid or grid_of(present[next(iter(self.layouts))])
        if self.grid is None:
            self.grid = grid
        elif grid != self.grid:
            raise CalibrationError(
                f"window {number}: its grid is {grid}, that of the first window {self.grid}; all "
                "windows must have the same grid"
            )

    def _known(
        self, number: int, known: Mapping[str, Any], targets: Mapping[str, Any], size: int
    ) -> States:
        """Known parameters ``[B, …]``, or ``[B, T + 1, …]`` where each frame has a value."""
        assert self.grid is not None
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

    def _native(self, number: int, frame: int, name: str, field: Field) -> torch.Tensor:
        """One field of every entry, ``[B, C, *space]``."""
        assert self.grid is not None
        with math.precision(64):  # otherwise PhiFlow casts to single precision
            native = from_field(field, self.grid, self.layouts[name]).detach()
        if native.ndim == len(self.grid.axes) + 1:
            native = native.unsqueeze(0)
        if not bool(torch.isfinite(native).all()):
            raise CalibrationError(
                f"window {number}, frame {frame}: {name!r} holds values that are not finite"
            )
        return native

    def _store(self, state: States) -> list[int]:
        """Positions of the states of all entries, which are stored unless they are already."""
        positions = []
        for entry in range(len(next(iter(state.values())))):
            own = {name: values[entry] for name, values in state.items()}
            digest = hashlib.blake2b(digest_size=16)
            for values in own.values():
                digest.update(values.double().contiguous().numpy().tobytes())
            key, count = digest.digest(), len(self._position)
            positions.append(self._position.setdefault(key, count))
            if positions[-1] == count:
                for name, values in own.items():
                    self.frames[name].append(values)
        return positions
