"""Interpolation between the grid of the data and the grid on which an equation is solved.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from dataclasses import replace

import numpy as np
import torch

from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.numerics.interpolation import line_weights

_QUINTIC = 6  # points of a polynomial of degree 5
# Sixth difference, which a polynomial of degree 5 does not have. Without its first entry it is the
# error of that polynomial's value one point beyond its six points.
_SIXTH = (1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0)
# Inner sixth differences that the one at the wall is compared with, and the ratio that is a jump:
# of noise it is 1.
_COMPARED, _JUMP = 4, 10.0


class Resampling:
    """Interpolation onto a grid that is ``factor / divisor`` times finer, and back.

    Periodic axes use the trigonometric polynomial through all points, exact for every resolved
    mode. Axes with walls use polynomials of degree 5 through the nearest six points, with an error
    O(dx⁶). The operation is linear, one matrix product per axis, and differentiable in forward and
    reverse mode.

    Args:
        grid: The data's grid.
        factor: Refinement, 1 or more.
        divisor: Coarsening, 1 or more; the numbers of points are rounded.

    Attributes:
        grid: The other grid on the same domain, with points on the same walls.
    """

    def __init__(self, grid: Grid, factor: int, divisor: int = 1) -> None:
        self._data_grid, self.grid = grid, resampled_grid(grid, factor, divisor)
        axes = range(len(grid.axes))
        self._finer = [_line_matrix(grid, self.grid, axis) for axis in axes]
        self._coarser = [_line_matrix(self.grid, grid, axis) for axis in axes]

    def refine(self, u: torch.Tensor) -> torch.Tensor:
        """Interpolate ``[B, C, *space]`` from the grid of the data to the other grid."""
        return _apply(self._finer, u)

    def refine_start(self, u: torch.Tensor) -> torch.Tensor:
        """Interpolate an initial state ``[B, C, *space]``, which may jump at walls.

        A state that is not compatible with a fixed value has another limit at the wall than the
        value of the points on it. Within the first cell it is interpolated from the inner points
        where the sixth difference across the wall is ten times as large as those next to it.
        """
        for axis, matrix in enumerate(self._finer):
            inner, ends = u, _fixed_ends(self._data_grid, axis)
            for end in ends:
                inner = _continued(inner, axis, end)
            refined = _apply_along(matrix, inner, axis)
            for end in ends:
                refined = _with_end(refined, _end(u, axis, end), axis, end)
            u = refined
        return u

    def coarsen(self, u: torch.Tensor) -> torch.Tensor:
        """Interpolate ``[B, C, *space]`` from the other grid to that of the data; no averaging.

        For a finer grid this inverts :meth:`refine` to rounding along periodic axes and between
        walls with points on them, elsewhere up to O(dx⁶).
        """
        return _apply(self._coarser, u)


def resampled_grid(grid: Grid, factor: int, divisor: int = 1) -> Grid:
    """The grid of :class:`Resampling`."""
    assert factor >= 1, f"factor {factor}, not 1 or more"
    shape = tuple(
        round((n - on_wall) * factor / divisor) + on_wall
        for n, on_wall in zip(grid.shape, grid.nodes_on_boundary, strict=True)
    )
    return replace(grid, shape=shape)


def _fixed_ends(grid: Grid, axis: int) -> list[int]:
    """Ends (0 or -1) of an axis with a fixed value on points that lie on the wall."""
    if not grid.nodes_on_boundary[axis] or grid.shape[axis] <= _QUINTIC + _COMPARED:
        return []
    sides = zip((0, -1), grid.boundary[axis], strict=True)
    return [end for end, side in sides if not isinstance(side, str)]


def _end(u: torch.Tensor, axis: int, end: int) -> torch.Tensor:
    return u.select(2 + axis, end)


def _with_end(u: torch.Tensor, value: torch.Tensor, axis: int, end: int) -> torch.Tensor:
    """``u`` with other values at the end of an axis."""
    rest = u.narrow(2 + axis, 0 if end else 1, u.shape[2 + axis] - 1)
    parts = [value.unsqueeze(2 + axis), rest]
    return torch.cat(parts[::-1] if end else parts, dim=2 + axis)


def _continued(u: torch.Tensor, axis: int, end: int) -> torch.Tensor:
    """The state with its inner limit on a wall where it jumps, ``[B, C, *space]``."""
    lines = u.movedim(2 + axis, -1)
    near = (lines if end == 0 else lines.flip(-1))[..., : _QUINTIC + 1 + _COMPARED]
    weights = torch.tensor(_SIXTH, dtype=u.dtype, device=u.device)
    differences = (near.unfold(-1, _QUINTIC + 1, 1) * weights).sum(-1)
    squares = (differences**2).flatten(2, -2).sum(2) if u.ndim > 3 else differences**2
    rounding = torch.finfo(u.dtype).eps * u.abs().flatten(2).amax(2) * weights.abs().sum()
    usual = squares[..., 1:].mean(-1) + differences[0, 0, ..., 0].numel() * rounding**2
    jumps = squares[..., 0] > _JUMP**2 * usual
    # The value at the wall of the polynomial through the six inner points.
    limit = near[..., 0] - differences[..., 0]
    jumps = jumps.reshape(*jumps.shape, *(1,) * (limit.ndim - 2))
    return _with_end(u, torch.where(jumps, limit, near[..., 0]), axis, end)


def _apply(matrices: list[torch.Tensor], u: torch.Tensor) -> torch.Tensor:
    for axis, matrix in enumerate(matrices):
        u = _apply_along(matrix, u, axis)
    return u


def _apply_along(matrix: torch.Tensor, u: torch.Tensor, axis: int) -> torch.Tensor:
    shape = u.shape[: 2 + axis], u.shape[3 + axis :]
    # Contiguous lines or columns: a strided matrix product takes three times as long.
    lines = u.reshape(-1, u.shape[2 + axis], shape[1].numel())
    is_last = axis == u.ndim - 3
    lines = lines.squeeze(-1) @ matrix.T.to(u) if is_last else matrix.to(u) @ lines
    return lines.reshape(*shape[0], len(matrix), *shape[1])


def _line_matrix(source: Grid, target: Grid, axis: int) -> torch.Tensor:
    """Weights ``[target point, source point]`` along one axis."""
    wanted, n = _line(target, axis), source.shape[axis]
    if PERIODIC in source.boundary[axis]:
        length = source.upper[axis] - source.lower[axis]
        matrix = _trigonometric((wanted[:, None] - _line(source, axis)) / length, n)
    else:
        indices, weights = line_weights(source, axis, wanted, _QUINTIC)
        matrix = np.zeros((len(wanted), n))
        np.put_along_axis(matrix, indices, weights, axis=1)
    return torch.from_numpy(matrix)


def _trigonometric(distance: np.ndarray, n: int) -> np.ndarray:
    """Cardinal function of n points: the mean of all modes ±k, with cos for the Nyquist mode.

    sin(πnt)/(n tan(πt)) for even n and sin(πnt)/(n sin(πt)) for odd n; a sum of n/2 arrays of this
    size would take the memory of all of them.

    Args:
        distance: Distance t from a point [length of the period].
        n: Number of points.

    Source: Trefethen (2000), Spectral Methods in MATLAB, chapter 3.
    """
    distance = distance - np.round(distance)
    points = n * distance
    height = np.sin(np.pi * (points - 2 * np.round(points / 2)))
    slope = n * np.sin(np.pi * distance)
    if n % 2 == 0:
        height *= np.cos(np.pi * distance)
    at_point = slope == 0
    slope[at_point], height[at_point] = 1.0, 1.0
    return np.asarray(height / slope)


def _line(grid: Grid, axis: int) -> np.ndarray:
    offset = 0.0 if grid.nodes_on_boundary[axis] else 0.5
    return grid.lower[axis] + grid.spacing[axis] * (np.arange(grid.shape[axis]) + offset)
