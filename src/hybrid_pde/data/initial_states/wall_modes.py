"""Modes of a box with walls: what waves are to a periodic one.

Along a periodic axis a state is a sum of waves; between walls it is a sum of the cosines or sines
that fulfil the condition at each wall: cosines even about a wall of zero gradient, sines odd about
a wall that holds the value at zero. Which of the eight discrete transforms that is follows from
the two walls, and from whether points lie on them or half a cell inside.

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
# By whether the (lower, upper) wall holds the value: family, type for cells and for nodes on the
# walls, and where the wavenumbers start in units of π/L.
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
        type: Which of its four types.
        first: First wavenumber [π/L].
        inner: The points that the walls do not hold.
    """

    axis: int
    family: str
    type: int
    first: float
    inner: slice


class BoxModes:
    """Expansion of states on a grid, which are zero at walls that hold the value.

    Args:
        grid: The grid; walls of a fixed value count as walls of the value zero.
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

        Values at points that a wall holds are not looked at; such an axis has fewer modes.
        """
        for each in self._walls:
            inner = _part(values, each.axis, each.inner)
            values = _FORWARD[each.family](inner, each.type, axis=each.axis)
        return np.fft.fftn(values, axes=self._periodic) if self._periodic else values

    def backward(self, modes: Array) -> Array:
        """The inverse of :meth:`forward`, zero at points that a wall holds."""
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
    """What each wall holds, by ``boundary.<axis>.<side>``; walls that hold nothing are left out.

    Args:
        grid: The grid with the values that hold by default.
        values: Those of one simulation, which take precedence.
    """
    held = {
        f"boundary.{axis}.{name}": float(side)
        for axis, sides in zip(grid.axes, grid.boundary, strict=True)
        for name, side in zip(SIDES, sides, strict=True)
        if not isinstance(side, str)
    }
    return {key: float(values.get(key, value)) for key, value in held.items()}


def wall_distance(grid: Grid) -> Array:
    """A smooth field of mean 1 that is zero at walls that hold the value ``[*space]``.

    A product of parabolas, one for each axis with such a wall, without slope at walls of zero
    gradient; 1 where no wall holds a value.
    """
    product = np.ones(grid.shape)
    for shape in _parabolas(grid).values():
        product = product * shape
    return product / product.mean()


def lift(grid: Grid, values: Mapping[str, float]) -> Array:
    """A field that has the values which the walls hold ``[*space]``; zero where none does.

    Linear between two such walls, constant behind one. Where several axes have them, the fields
    of each are averaged with weights that leave only its own one at a wall: where the walls agree
    it is their value everywhere, where they do not it is smooth but in their common corners.

    Args:
        grid: The grid.
        values: What walls hold in this simulation, see :func:`fixed_values`.
    """
    held, parabolas = fixed_values(grid, values), _parabolas(grid)
    total, weights = np.zeros(grid.shape), np.zeros(grid.shape)
    for axis in parabolas:
        lower, upper = (held.get(f"boundary.{axis}.{side}") for side in SIDES)
        lower, upper = (upper if lower is None else lower), (lower if upper is None else upper)
        assert lower is not None and upper is not None
        weight = np.ones(grid.shape)
        for other, shape in parabolas.items():
            # never quite zero: corners lie on the walls of several axes
            weight = weight if other == axis else weight * (shape + np.finfo(float).eps)
        total += weight * (lower + (upper - lower) * _share(grid, axis))
        weights += weight
    return total / weights if parabolas else total


def _parabolas(grid: Grid) -> dict[str, Array]:
    """By axis with a wall that holds the value: zero there, up to 1, shaped to broadcast."""
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
