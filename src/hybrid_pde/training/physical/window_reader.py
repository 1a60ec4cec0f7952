"""Conversion of samples of PhiFlow fields to observation windows.

Layout of native tensors: ``B`` windows, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from phi.torch.flow import Field, math

from hybrid_pde.data.field_conversion import from_field, grid_of, layout_of
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import CalibrationError
from hybrid_pde.models.physical.conditions import native_value, split_known
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical.frame_store import FrameStore
from hybrid_pde.training.physical.observation_window import (
    Guidance,
    ObservationWindow,
    Visibility,
)


class WindowReader:
    """Reads windows of samples; stores each distinct frame once.

    Args:
        model: The equation, which defines fields and known parameters.
        visibility: Which values are observed; all of them by default.
        grid: Grid of the fields, if the caller knows it better than the fields do.

    Attributes:
        store: The frames.
        fields: Names of the fields of the equation, once a sample has been read.
        layouts: Layout by field, likewise.
        grid: Grid of every field, likewise.
    """

    def __init__(
        self, model: PhysicalModel, visibility: Visibility | None, grid: Grid | None
    ) -> None:
        self._model, self._visibility, self._given_grid = model, visibility, grid
        self._guidance = visibility if isinstance(visibility, Guidance) else None
        self.store = FrameStore()
        self.fields: tuple[str, ...] = ()
        self.layouts: dict[str, FieldLayout] = {}
        self.grid: Grid | None = None

    def read(
        self, number: int, initial: Mapping[str, Any], targets: Mapping[str, Sequence[Any]]
    ) -> list[ObservationWindow]:
        """The windows of one sample, one for each entry of its batch dimension.

        Args:
            number: Number of the sample.
            initial: Initial field by name; known parameters too.
            targets: The following fields by name.

        Raises:
            CalibrationError: for missing fields, another grid than before, missing target frames,
                or a value that is not finite.
        """
        spec = self._model.spec
        present, known = split_known(spec, initial)
        if not self.fields:
            self.fields = tuple(match_roles(spec, list(present)).values())
        missing = [name for name in self.fields if name not in present or name not in targets]
        if missing:
            raise CalibrationError(f"window {number}: the fields {missing} are missing")
        self._set_grid(number, present)
        starts = {name: self._store(number, name, 0, present[name]) for name in self.fields}
        ends = {
            name: [self._store(number, name, k + 1, f) for k, f in enumerate(targets[name])]
            for name in self.fields
        }
        lengths = {len(frames) for frames in ends.values()}
        if lengths == {0} or len(lengths) != 1:
            raise CalibrationError(
                f"window {number}: the numbers of target frames are {sorted(lengths)}; every field "
                "needs the same number, at least 1"
            )
        size = len(next(iter(starts.values())))
        values = self._known(number, known, targets, size)
        readings = None if self._visibility is None else self._visibility.readings(number)
        return [
            ObservationWindow(
                {name: at[entry] for name, at in starts.items()},
                {name: tuple(at[entry] for at in frames) for name, frames in ends.items()},
                {name: value[entry] for name, value in values.items()},
                frozenset(name for name in values if name in targets),
                readings,
                self._guidance is not None and self._guidance.is_predicted(number),
            )
            for entry in range(size)
        ]

    def _set_grid(self, number: int, present: Mapping[str, Any]) -> None:
        """Set grid and layouts from the first sample; check the grid of later ones."""
        grid = self._given_grid or grid_of(present[self.fields[0]])
        if self.grid is None:
            self.grid = grid
            self.layouts = {name: layout_of(name, present[name]) for name in self.fields}
        elif grid != self.grid:
            raise CalibrationError(
                f"window {number}: its grid is {grid}, that of the first window {self.grid}; all "
                "windows must have the same grid"
            )

    def _known(
        self, number: int, known: Mapping[str, Any], targets: Mapping[str, Any], size: int
    ) -> dict[str, torch.Tensor]:
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

    def _store(self, number: int, name: str, frame: int, field: Field) -> list[int]:
        """Store one frame of every window of a sample; returns their positions."""
        assert self.grid is not None
        with math.precision(64):  # otherwise PhiFlow casts to single precision
            native = from_field(field, self.grid, self.layouts[name]).detach()
        if native.ndim == len(self.grid.axes) + 1:
            native = native.unsqueeze(0)
        mask = None if self._visibility is None else self._visibility.mask(number, name, frame)
        hidden_weight = 0.0
        if mask is not None and self._guidance is not None:
            hidden_weight = self._guidance.hidden_weight(number, frame)
        if mask is not None and hidden_weight == 0:
            native = torch.where(mask, native, 0.0)
        if not bool(torch.isfinite(native).all()):
            raise CalibrationError(
                f"window {number}, frame {frame}: {name!r} holds values that are not finite"
            )
        return [self.store.add(name, entry, mask, hidden_weight) for entry in native]
