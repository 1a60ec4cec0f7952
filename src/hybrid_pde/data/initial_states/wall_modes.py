"""Cosine and sine modes of a box with walls.

Along a periodic axis a state is a sum of waves. Between walls it is a sum of cosines or sines that
satisfy the condition at each wall: even about a wall with zero gradient, odd about a wall with a
fixed value of zero. The two walls, and the position of points on them or half a cell inside,
determine which of eight discrete transforms applies.

Layout: ``C`` channels, ``X Y Z`` space; the axes of a grid are the last ones of every array.

Sources: Strang (1999), SIAM Review 41, 135, sections 2 and 3 (boundary conditions of the cosine
transforms). Martucci (1994), IEEE Transactions on Signal Processing 42, 1038 (all of them).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import fft

from hybrid_pde.domain.boundary import SIDES
from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, Grid, axis_points

Array = np.ndarray
# By whether the (lower, upper) wall has a fixed value: family, type for cells and for nodes on the
# walls, and the first wavenumber in units of π/L.
_TRANSFORMS = {
    (False, False): ("cosine", 2, 1, 0.0),
    (True, True): ("sine", 2, 1, 1.0),
    (True, False): ("sine", 4, 3, 0.5),
    (False, True): ("cosine", 4, 3, 0.5),
}
_FORWARD = {"cosine": fft.dct, "sine": fft.dst}
_BACKWARD = {"cosine": fft.idct, "sine": fft.idst}


@dataclass(frozen=True)
class _Walls:
    """The transform along one axis between walls.

    Attributes:
        axis: Position of the axis, from the last one: -1, -2, ….
        family: ``cosine`` or ``sine``.
        type: Type of the transform, 1 to 4.
        first: First wavenumber [π/L].
        inner: The points that are not fixed by the walls.
    """

    axis: int
    family: str
    type: int
    first: float
    inner: slice


class BoxModes:
    """Expansion of states that are zero at fixed-value walls.

    Args:
        grid: The grid; the value of fixed-value walls is taken as zero.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        count = len(grid.axes)
        self._periodic = [
            i - count for i, sides in enumerate(grid.boundary) if sides == (PERIODIC, PERIODIC)
        ]
        self._walls = [_walls(grid, i) for i in range(count) if i - count not in self._periodic]

    def forward(self, values: Array) -> Array:
        """The modes ``[C, *modes]`` of values ``[C, *space]``; complex where an axis is periodic.

        Values at points fixed by a wall are ignored; such an axis has fewer modes.
        """
        for each in self._walls:
            inner = _part(values, each.axis, each.inner)
            values = _FORWARD[each.family](inner, each.type, axis=each.axis)
        return np.fft.fftn(values, axes=self._periodic) if self._periodic else values

    def backward(self, modes: Array) -> Array:
        """The inverse of :meth:`forward`, zero at points fixed by a wall."""
        values = np.fft.ifftn(modes, axes=self._periodic).real if self._periodic else modes
        for each in self._walls:
            inner = _BACKWARD[each.family](values, each.type, axis=each.axis)
            count = self._grid.shape[each.axis]
            values = np.zeros([*inner.shape[: each.axis], count, *_behind(inner.shape, each.axis)])
            _part(values, each.axis, each.inner)[...] = inner
        return values

    def wavenumber_squared(self) -> Array:
        """|k|² of every mode ``[*modes]`` [1/length²]."""
        count = len(self._grid.axes)
        wavenumbers: list[Array] = [np.zeros(0)] * count
        for axis in self._periodic:
            points, spacing = self._grid.shape[axis], self._grid.spacing[axis]
            wavenumbers[axis] = 2 * np.pi * np.fft.fftfreq(points, spacing)
        for each in self._walls:
            lower, upper = self._grid.lower[each.axis], self._grid.upper[each.axis]
            number = len(range(*each.inner.indices(self._grid.shape[each.axis])))
            wavenumbers[each.axis] = (each.first + np.arange(number)) * np.pi / (upper - lower)
        components = np.meshgrid(*wavenumbers, indexing="ij")
        return np.asarray(sum(component**2 for component in components))


def fixed_values(grid: Grid, values: Mapping[str, float]) -> dict[str, float]:
    """Values of the fixed-value walls, by ``boundary.<axis>.<side>``.

    Args:
        grid: The grid with the default values.
        values: Values of one simulation, which take precedence.
    """
    held = {
        f"boundary.{axis}.{name}": float(side)
        for axis, sides in zip(grid.axes, grid.boundary, strict=True)
        for name, side in zip(SIDES, sides, strict=True)
        if not isinstance(side, str)
    }
    return {key: float(values.get(key, value)) for key, value in held.items()}


def wall_distance(grid: Grid) -> Array:
    """A smooth field of mean 1 that is zero at fixed-value walls ``[*space]``.

    It is a product of parabolas, one for each axis with such a wall, with zero slope at
    zero-gradient walls; 1 without fixed-value walls.
    """
    product = np.ones(grid.shape)
    for shape in _parabolas(grid).values():
        product = product * shape
    return product / product.mean()


def lift(grid: Grid, values: Mapping[str, float]) -> Array:
    """A steady field with the values of the fixed-value walls ``[*space]``; zero without any.

    It is linear between two such walls and constant along an axis with one. If several axes have
    such walls, their fields are averaged with weights that leave only an axis' own field at its
    walls: if all walls agree, the field is constant, else it is smooth except in common corners.

    Args:
        grid: The grid.
        values: Wall values of this simulation, see :func:`fixed_values`.
    """
    held, parabolas = fixed_values(grid, values), _parabolas(grid)
    total, weights = np.zeros(grid.shape), np.zeros(grid.shape)
    for axis in parabolas:
        lower, upper = (held.get(f"boundary.{axis}.{side}") for side in SIDES)
        lower, upper = (upper if lower is None else lower), (lower if upper is None else upper)
        assert lower is not None and upper is not None
        weight = np.ones(grid.shape)
        for other, shape in parabolas.items():
            # never exactly zero: corners lie on the walls of several axes
            weight = weight if other == axis else weight * (shape + np.finfo(float).eps)
        total += weight * (lower + (upper - lower) * _share(grid, axis))
        weights += weight
    return total / weights if parabolas else total


def _parabolas(grid: Grid) -> dict[str, Array]:
    """Parabolas by axis with a fixed-value wall: zero there, at most 1, shaped to broadcast."""
    found = {}
    for axis, (lower, upper) in zip(grid.axes, grid.boundary, strict=True):
        s = _share(grid, axis)
        if not isinstance(lower, str) and not isinstance(upper, str):
            found[axis] = 4 * s * (1 - s)
        elif not isinstance(lower, str):
            found[axis] = s * (2 - s)
        elif not isinstance(upper, str):
            found[axis] = (1 - s) * (1 + s)
    return found


def _share(grid: Grid, axis: str) -> Array:
    """Position along an axis from 0 at the lower end to 1 at the upper one, to broadcast."""
    position = grid.axes.index(axis)
    lower, upper = grid.lower[position], grid.upper[position]
    share = (axis_points(grid)[axis] - lower) / (upper - lower)
    return share.reshape([-1 if other == axis else 1 for other in grid.axes])


def _walls(grid: Grid, position: int) -> _Walls:
    sides, on_walls = grid.boundary[position], grid.nodes_on_boundary[position]
    lower, upper = (side != ZERO_GRADIENT for side in sides)
    family, for_cells, for_nodes, first = _TRANSFORMS[lower, upper]
    points = grid.shape[position]
    inner = slice(int(lower), points - int(upper)) if on_walls else slice(0, points)
    kind = for_nodes if on_walls else for_cells
    return _Walls(position - len(grid.axes), family, kind, first, inner)


def _part(values: Array, axis: int, part: slice) -> Array:
    """A part along one axis, counted from the last."""
    place: tuple[Any, ...] = (..., part, *[slice(None)] * (-axis - 1))
    return values[place]


def _behind(shape: Sequence[int], axis: int) -> Sequence[int]:
    return shape[axis + 1 :] if axis < -1 else ()
