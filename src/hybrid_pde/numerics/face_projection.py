"""The part without divergence of a velocity on the faces of cells, in one go: no iterations.

Tensors have named dimensions: any batch dimensions, ``vector`` with a component for each axis,
spatial ones x, y, z. Component i of entry (p, q, r) stands in the middle of the lower face across
axis i of cell (p, q, r), so that all components have the shape of the cells. Across a periodic
axis the face after the last is the first one; between walls the first face is the lower wall, and
the upper wall, after the last one, is not stored: nothing flows through either.

The divergence of a cell is the sum of what leaves through its faces. The pressure stands at the
centres of cells and obeys the five-point Poisson equation, which waves diagonalize along periodic
axes and cosines between walls; they are found by a fast transform where every axis is periodic.

Sources: Harlow and Welch (1965), Physics of Fluids 8, 2182 (the grid). Strang (1999), SIAM Review
41, 135 (the cosines).
"""

from functools import lru_cache, reduce

import numpy as np
from phi.torch.flow import channel, math, spatial

from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.numerics.fourier import to_modes, to_values
from hybrid_pde.numerics.projection import multiply_along, with_tangent_of


def project_faces(v: math.Tensor, grid: Grid) -> math.Tensor:
    """The velocity less the gradient that makes the divergence of every cell zero.

    It is the orthogonal projection, exact to rounding: linear, and differentiable in forward and
    reverse mode. What stands on a wall becomes zero.

    Args:
        v: Velocity on the lower faces, or a rate of change of it.
        grid: The cells.

    Returns:
        A field like ``v``.
    """
    closed = [_closed(v.vector[axis], axis, grid) for axis in grid.axes]
    pressure = _poisson(grid).solve(_divergence(closed, grid))
    free = [
        component - _closed(_slope(pressure, axis, grid), axis, grid)
        for component, axis in zip(closed, grid.axes, strict=True)
    ]
    return math.stack(free, channel(vector=",".join(grid.axes)))


def divergence_of_cells(v: math.Tensor, grid: Grid) -> math.Tensor:
    """What :func:`project_faces` makes zero, at the centres of cells [v/length]."""
    return _divergence([v.vector[axis] for axis in grid.axes], grid)


def is_walled(grid: Grid, axis: str) -> bool:
    """Whether an axis ends at walls."""
    return PERIODIC not in grid.boundary[grid.axes.index(axis)]


def next_face(u: math.Tensor, axis: str, grid: Grid) -> math.Tensor:
    """Values on the upper faces of cells, of those on the lower ones; 0 on the upper wall."""
    first = u[{axis: slice(0, 1)}]
    last = first * 0.0 if is_walled(grid, axis) else first
    return math.concat([u[{axis: slice(1, None)}], last], axis)


def previous_cell(u: math.Tensor, axis: str) -> math.Tensor:
    """Values at the centres before the lower faces; on a wall, where none is, the last ones."""
    return math.concat([u[{axis: slice(-1, None)}], u[{axis: slice(0, -1)}]], axis)


def _divergence(components: list[math.Tensor], grid: Grid) -> math.Tensor:
    lines = zip(components, grid.axes, grid.spacing, strict=True)
    return sum((next_face(u, axis, grid) - u) / dx for u, axis, dx in lines)


def _slope(pressure: math.Tensor, axis: str, grid: Grid) -> math.Tensor:
    return (pressure - previous_cell(pressure, axis)) / grid.spacing[grid.axes.index(axis)]


def _closed(u: math.Tensor, axis: str, grid: Grid) -> math.Tensor:
    """The component with nothing through the wall."""
    if not is_walled(grid, axis):
        return u
    return math.concat([u[{axis: slice(0, 1)}] * 0.0, u[{axis: slice(1, None)}]], axis)


class _Poisson:
    """Solves ∇²p = f of mean zero, with the divergence of the gradient for ∇²."""

    def __init__(self, grid: Grid) -> None:
        self._sizes = dict(zip(grid.axes, grid.shape, strict=True))
        self._is_periodic = grid.is_periodic
        self._vectors, eigenvalues = {}, []
        for position, (axis, n) in enumerate(self._sizes.items()):
            number = np.arange(n) if is_walled(grid, axis) else 2 * (np.arange(1, n + 1) // 2)
            if self._is_periodic:
                is_last = position == len(grid.axes) - 1
                number = 2 * np.arange(n // 2 + 1 if is_last else n)
            else:
                self._vectors[axis] = _modes(n, is_walled(grid, axis))
            eigenvalues.append(
                -((2 / grid.spacing[position] * np.sin(np.pi * number / 2 / n)) ** 2)
            )
        total = reduce(np.add.outer, eigenvalues)
        total[(0,) * len(grid.axes)] = np.inf  # the mean, which a pressure is free to have
        with math.precision(64):  # whatever is in force at the first call
            self._inverse = math.wrap(1 / total, spatial(*grid.axes))

    def solve(self, f: math.Tensor) -> math.Tensor:
        """The p whose mean is zero."""
        if self._is_periodic:
            modes = to_modes(f)
            inverse = math.to_complex(self._inverse)
            return to_values(modes * with_tangent_of(inverse, modes), self._sizes)
        for axis, vectors in self._vectors.items():
            f = multiply_along(vectors.T, f, axis)
        f = f * with_tangent_of(math.to_float(self._inverse), f)
        for axis, vectors in self._vectors.items():
            f = multiply_along(vectors, f, axis)
        return f


def _modes(n: int, walled: bool) -> np.ndarray:
    """Orthonormal modes of n cells, in columns: cosines, or waves of rising wavenumber."""
    centre = np.arange(n) + 0.5
    if walled:
        modes = np.cos(np.pi / n * np.outer(centre, np.arange(n)))
    else:
        number = np.arange(1, n + 1) // 2  # 0, 1, 1, 2, 2, …: a cosine and a sine each
        angle = 2 * np.pi / n * np.outer(centre - 0.5, number)
        modes = np.where(np.arange(n) % 2, np.cos(angle), np.sin(angle))
        modes[:, 0] = 1.0
    return modes / np.linalg.norm(modes, axis=0)


@lru_cache(maxsize=32)
def _poisson(grid: Grid) -> _Poisson:
    return _Poisson(grid)
