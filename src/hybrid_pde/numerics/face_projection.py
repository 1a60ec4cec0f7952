"""Projection of a staggered velocity onto divergence-free fields, by a direct solve.

The velocity is on a marker-and-cell (MAC) grid. Tensors have named dimensions: any batch
dimensions, ``vector`` with a component for each axis, spatial ones x, y, z. Component i of entry
(p, q, r) is located at the centre of the lower face across axis i of cell (p, q, r), so all
components have the shape of the cells. Across a periodic axis the face after the last is the first
one. Between walls the first face is the lower wall; the upper wall is not stored. Nothing flows
through walls.

The divergence of a cell is the net outflow through its faces. The pressure is located at cell
centres and satisfies the 2d+1-point Poisson equation, which is diagonalized by Fourier modes along
periodic axes and by cosines between walls. If every axis is periodic, the fast Fourier transform is
used.

Sources: Harlow and Welch (1965), Physics of Fluids 8, 2182 (grid); Strang (1999), SIAM Review 41,
135 (cosine modes).
"""

from functools import lru_cache, reduce

import numpy as np
from phi.torch.flow import channel, math, spatial

from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.numerics.fourier_transform import to_modes, to_values
from hybrid_pde.numerics.projection import multiply_along


def project_faces(v: math.Tensor, grid: Grid) -> math.Tensor:
    """Orthogonal projection v − ∇p with zero divergence in every cell, exact to rounding.

    Linear, and differentiable in forward and reverse mode. Components on walls become zero.

    Args:
        v: Velocity on the lower faces, or a rate of change of it.
        grid: The cells.

    Returns:
        A field of the shape of ``v``.
    """
    closed = [_closed(v.vector[axis], axis, grid) for axis in grid.axes]
    pressure = _poisson(grid).solve(_divergence(closed, grid))
    free = [
        component - _closed(_slope(pressure, axis, grid), axis, grid)
        for component, axis in zip(closed, grid.axes, strict=True)
    ]
    return math.stack(free, channel(vector=",".join(grid.axes)))


def divergence_of_cells(v: math.Tensor, grid: Grid) -> math.Tensor:
    """Divergence at cell centres [v/length], which :func:`project_faces` makes zero."""
    return _divergence([v.vector[axis] for axis in grid.axes], grid)


def is_walled(grid: Grid, axis: str) -> bool:
    """True if an axis ends at walls."""
    return PERIODIC not in grid.boundary[grid.axes.index(axis)]


def next_face(u: math.Tensor, axis: str, grid: Grid) -> math.Tensor:
    """Values on the upper faces of cells from those on the lower faces; 0 on the upper wall."""
    first = u[{axis: slice(0, 1)}]
    last = first * 0.0 if is_walled(grid, axis) else first
    return math.concat([u[{axis: slice(1, None)}], last], axis)


def previous_cell(u: math.Tensor, axis: str) -> math.Tensor:
    """Values at the centres below the lower faces; at a lower wall, the last value as a filler."""
    return math.concat([u[{axis: slice(-1, None)}], u[{axis: slice(0, -1)}]], axis)


def _divergence(components: list[math.Tensor], grid: Grid) -> math.Tensor:
    lines = zip(components, grid.axes, grid.spacing, strict=True)
    return sum((next_face(u, axis, grid) - u) / dx for u, axis, dx in lines)


def _slope(pressure: math.Tensor, axis: str, grid: Grid) -> math.Tensor:
    return (pressure - previous_cell(pressure, axis)) / grid.spacing[grid.axes.index(axis)]


def _closed(u: math.Tensor, axis: str, grid: Grid) -> math.Tensor:
    """The component with zero flow through the walls."""
    if not is_walled(grid, axis):
        return u
    return math.concat([u[{axis: slice(0, 1)}] * 0.0, u[{axis: slice(1, None)}]], axis)


class _Poisson:
    """Solver of ∇²p = f for f of mean zero; ∇² is the discrete divergence of the gradient."""

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
        total[(0,) * len(grid.axes)] = np.inf  # the mean of the pressure is arbitrary
        with math.precision(64):  # independent of the precision at the first call
            self._inverse = math.wrap(1 / total, spatial(*grid.axes))

    def solve(self, f: math.Tensor) -> math.Tensor:
        """The solution p of mean zero."""
        if self._is_periodic:
            modes = to_modes(f)
            inverse = math.to_complex(self._inverse)
            return to_values(modes * inverse, self._sizes)
        for axis, vectors in self._vectors.items():
            f = multiply_along(vectors.T, f, axis)
        f = f * math.to_float(self._inverse)
        for axis, vectors in self._vectors.items():
            f = multiply_along(vectors, f, axis)
        return f


def _modes(n: int, walled: bool) -> np.ndarray:
    """Orthonormal modes of n cells, in columns: cosines, or Fourier modes by wavenumber."""
    centre = np.arange(n) + 0.5
    if walled:
        modes = np.cos(np.pi / n * np.outer(centre, np.arange(n)))
    else:
        number = np.arange(1, n + 1) // 2  # 0, 1, 1, 2, 2, …: a cosine and a sine of each
        angle = 2 * np.pi / n * np.outer(centre - 0.5, number)
        modes = np.where(np.arange(n) % 2, np.cos(angle), np.sin(angle))
        modes[:, 0] = 1.0
    return modes / np.linalg.norm(modes, axis=0)


@lru_cache(maxsize=32)
def _poisson(grid: Grid) -> _Poisson:
    return _Poisson(grid)
