"""Interpolation between grid points by local polynomials (Lagrange).

Layout: ``P`` positions, ``A`` axes, ``K`` grid points per interpolated value.

Source: Abramowitz and Stegun (1964), Handbook of Mathematical Functions, 25.2.1.
"""

import numpy as np
import torch

from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.errors import ConfigError

_QUINTIC = 6  # points of a polynomial of degree 5
# Tolerance for positions on the boundary, for rounded 32-bit coordinates [domain length].
_ROUNDING = 1e-6


def interpolation_matrix(grid: Grid, points: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights of grid points for values at arbitrary positions, with an error O(dx⁶).

    ``(u.flatten()[indices] * weights).sum(-1)`` evaluates the tensor product of quintic polynomials
    through three points on either side of the position; through the nearest six points close to a
    wall. Periodic axes wrap around.

    Args:
        grid: Grid of the values.
        points: Positions ``[P, A]`` in the domain [length].

    Returns:
        Indices ``[P, K]`` into the flattened grid, and weights ``[P, K]`` in double precision.

    Raises:
        ConfigError: naming the first position outside the domain.
    """
    positions = np.asarray(points, dtype=np.float64).reshape(-1, len(grid.axes))
    _check_inside(grid, positions)
    indices = np.zeros((len(positions), 1), dtype=np.int64)
    weights = np.ones((len(positions), 1))
    for index, n in enumerate(grid.shape):
        near, share = line_weights(grid, index, positions[:, index], _QUINTIC)
        indices = (indices[:, :, None] * n + near[:, None, :]).reshape(len(positions), -1)
        weights = (weights[:, :, None] * share[:, None, :]).reshape(len(positions), -1)
    return torch.from_numpy(indices), torch.from_numpy(weights)


def line_weights(
    grid: Grid, index: int, positions: np.ndarray, num_points: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lagrange weights of the ``num_points`` nearest points of one axis.

    Args:
        grid: The grid.
        index: Number of the axis.
        positions: Positions along it [length].
        num_points: Number of points of each polynomial, at most that of the axis.

    Returns:
        Indices ``[P, num_points]`` of the points along the axis, and their weights.
    """
    n, dx = grid.shape[index], grid.spacing[index]
    num_points = min(num_points, n)
    first = grid.lower[index] + (0.0 if grid.nodes_on_boundary[index] else dx / 2)
    at = (positions - first) / dx
    start = np.floor(at).astype(np.int64) - (num_points - 1) // 2
    periodic = PERIODIC in grid.boundary[index]
    if not periodic:
        start = np.clip(start, 0, n - num_points)
    steps = np.arange(num_points)
    weights = np.ones((len(positions), num_points))
    for j in steps:
        for other in steps[steps != j]:
            weights[:, j] *= (at - start - other) / (j - other)
    indices = start[:, None] + steps
    return indices % n if periodic else indices, weights


def _check_inside(grid: Grid, positions: np.ndarray) -> None:
    lower, upper = np.array(grid.lower), np.array(grid.upper)
    slack = _ROUNDING * (upper - lower)
    inside = (positions >= lower - slack) & (positions <= upper + slack)  # false for NaN
    outside = np.flatnonzero(~inside.all(axis=1))
    if len(outside):
        number = int(outside[0])
        position_text = ", ".join(
            f"{axis}={value:.6g}" for axis, value in zip(grid.axes, positions[number], strict=True)
        )
        domain = ", ".join(
            f"{axis} in [{low:g}, {high:g}]"
            for axis, low, high in zip(grid.axes, grid.lower, grid.upper, strict=True)
        )
        raise ConfigError(
            f"position {number} ({position_text}) lies outside the domain {domain}; leave out such "
            "positions, or correct data.domain"
        )
