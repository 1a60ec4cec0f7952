"""Fields that are computed from others while a file is read: vorticity and velocity.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space in ascending order.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np

from hybrid_pde.config.error_messages import suggest
from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.guards import errors_name_file
from hybrid_pde.data.raw_files.raw_file import Block, RawFile
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import ConfigError, RawDataError

KEY = "data.derive"
CURL = "curl"
# mean vorticity that counts as rounding, relative to its root mean square
_ROUNDING = 1e-4


@contextlib.contextmanager
def with_derived_fields(
    path: Path,
    data: DataParams,
    open_raw: Callable[[Path, DataParams], AbstractContextManager[RawFile]],
) -> Iterator[RawFile]:
    """Open a file with the fields of ``data.derive`` in place of those they are computed from.

    Args:
        path: The file.
        data: The experiment's ``data`` section.
        open_raw: Opens the file with the fields that it holds.

    Raises:
        ConfigError: if ``data.derive`` names a field that the experiment does not read.
        RawDataError: as ``open_raw``, or if a field cannot be computed on the file's grid.
    """
    rules = {name: _parsed(text) for name, text in data.derive.items()}
    for name in rules:
        if name not in data.fields:
            raise ConfigError(f"{KEY}: not in data.fields: {suggest(name, data.fields)}")
    stored = dict.fromkeys(rules[name][1] if name in rules else name for name in data.fields)
    held = data.model_copy(update={"fields": [*stored], "derive": {}})
    with open_raw(path, held) as raw:
        with errors_name_file(path):
            opened = _DerivedFile(path, raw, data.fields, rules)
        yield opened


def curl(u: np.ndarray, grid: Grid) -> np.ndarray:
    """Vorticity of a velocity on a periodic box, by Fourier derivatives.

    Args:
        u: Velocity ``[T, C, X, Y]`` or ``[T, C, X, Y, Z]``.
        grid: The box.

    Returns:
        ∂v/∂x − ∂u/∂y ``[T, 1, X, Y]``, or ∇×u ``[T, 3, X, Y, Z]``, in double precision.
    """
    modes, k = _modes(u), _wavenumbers(grid)
    if len(k) == 2:
        found = [k[0] * modes[:, 1] - k[1] * modes[:, 0]]
    else:
        found = [
            k[(axis + 1) % 3] * modes[:, (axis + 2) % 3]
            - k[(axis + 2) % 3] * modes[:, (axis + 1) % 3]
            for axis in range(3)
        ]
    return _values(1j * np.stack(found, 1))


def velocity_of(vorticity: np.ndarray, grid: Grid) -> np.ndarray:
    """Divergence-free velocity of zero mean with a given vorticity, on a periodic plane.

    The stream function solves −∇²ψ = ω; then u = ∂ψ/∂y and v = −∂ψ/∂x.

    Args:
        vorticity: ω ``[T, 1, X, Y]`` of zero mean.
        grid: The box.

    Returns:
        Velocity ``[T, 2, X, Y]`` in double precision.
    """
    modes, (kx, ky) = _modes(vorticity)[:, 0], _wavenumbers(grid)
    square = kx**2 + ky**2
    stream = np.where(square > 0, modes / np.where(square > 0, square, 1.0), 0.0)
    return _values(1j * np.stack([ky * stream, -kx * stream], 1))


class _DerivedFile:
    """A :class:`RawFile` with computed fields."""

    def __init__(
        self, path: Path, raw: RawFile, fields: list[str], rules: dict[str, tuple[str, str]]
    ) -> None:
        self._path, self._raw, self._fields, self._rules = path, raw, fields, rules
        held = {layout.name: layout for layout in raw.info.layouts}
        layouts = [self._layout(name, held) for name in fields]
        self._static = {layout.name for layout in layouts if layout.static}
        self.info = replace(raw.info, layouts=tuple(layouts))

    @property
    def times(self) -> np.ndarray:
        return self._raw.times

    def known(self, sample: int) -> tuple[KnownParameter, ...]:
        return self._raw.known(sample)

    def static(self, sample: int) -> Block:
        block = {name: values[None] for name, values in self._raw.static(sample).items()}
        with errors_name_file(self._path):
            return {name: values[0] for name, values in self._derived(block, True).items()}

    def frames(self, sample: int) -> Iterator[Block]:
        for block in self._raw.frames(sample):
            with errors_name_file(self._path):
                derived = self._derived(block, False)
            yield derived

    def _derived(self, block: Block, static: bool) -> Block:
        """The experiment's fields of a block, and what is no field of it (known parameters)."""
        fields = [name for name in self._fields if (name in self._static) == static]
        held = {layout.name for layout in self._raw.info.layouts}
        kept = {name: values for name, values in block.items() if name not in held}
        return {**{name: self._field(name, block) for name in fields}, **kept}

    def _field(self, name: str, block: Block) -> np.ndarray:
        if name not in self._rules:
            return block[name]
        kind, source = self._rules[name]
        values = block[source]
        if not np.isfinite(values).all():
            raise RawDataError(f"{KEY}.{name}: {source} has missing values; fill them")
        if kind != CURL:
            mean = np.abs(values.mean(axis=(2, 3), dtype=np.float64)).max(initial=0.0)
            if mean > _ROUNDING * np.sqrt(np.mean(np.square(values, dtype=np.float64))):
                raise RawDataError(
                    f"{KEY}.{name}: the mean of {source} is {mean:.3g}; on a periodic box it is 0"
                )
        compute = curl if kind == CURL else velocity_of
        return compute(values, self.info.grid).astype(values.dtype)

    def _layout(self, name: str, held: dict[str, FieldLayout]) -> FieldLayout:
        if name not in self._rules:
            return held[name]
        kind, source = self._rules[name]
        axes, given = self._raw.info.grid.axes, held[source]
        if not self._raw.info.grid.is_periodic or len(axes) < 2:
            raise RawDataError(
                f"{KEY}.{name}: {kind}({source}): needs a box of two or three axes that is "
                "periodic along all; write the field with the program that made the data"
            )
        wanted = len(axes) if kind == CURL else 1
        if given.channels != wanted or (kind != CURL and len(axes) != 2):
            raise RawDataError(
                f"{KEY}.{name}: {kind}({source}): {source} has {given.channels} channel(s) on "
                f"{len(axes)} axes; known: curl of a velocity with one for each axis, velocity of "
                "a vorticity in the plane"
            )
        components = axes if kind != CURL or len(axes) == 3 else ()
        return FieldLayout(name, components, given.static)


def _parsed(text: str) -> tuple[str, str]:
    """Kind and field of a rule such as ``curl(velocity)``."""
    kind, _, rest = text.partition("(")
    return kind, rest.removesuffix(")").strip()


def _modes(values: np.ndarray) -> np.ndarray:
    return np.fft.fftn(values.astype(np.float64), axes=tuple(range(2, values.ndim)))


def _values(modes: np.ndarray) -> np.ndarray:
    return np.fft.ifftn(modes, axes=tuple(range(2, modes.ndim))).real


def _wavenumbers(grid: Grid) -> list[np.ndarray]:
    """Wavenumber along each axis, 0 for the alternating mode, which has no derivative."""
    found = []
    for axis, (count, spacing) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
        k = 2 * np.pi * np.fft.fftfreq(count, spacing)
        if count % 2 == 0:
            k[count // 2] = 0.0
        shape = [-1 if each == axis else 1 for each in range(len(grid.shape))]
        found.append(k.reshape(shape))
    return found
