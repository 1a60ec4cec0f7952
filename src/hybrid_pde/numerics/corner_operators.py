"""Differences and means from the points of a line to the corners between them.

With cell centres, the corners of an axis are the faces of its cells, the wall among them; with
nodes on the boundary they are the middles between nodes. Velocities live at the points, pressures
and divergences at the corners, so that a pressure needs no condition at a wall.

Sources: Almgren, Bell and Szymczak (1996), SIAM Journal on Scientific Computing 17, 358 (pressure
at the corners of cells). Lynch, Rice and Thomas (1964), Numerische Mathematik 6, 185 (products of
the eigenvectors of lines).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi

import numpy as np
from scipy.linalg import eigh

from hybrid_pde.domain.grid import PERIODIC, Grid

_ENDS = {"lower": 0, "upper": -1}
# Shares between 0 and 1 this close to an end belong to a mode without difference, or without mean;
# the next ones are (π/n)², 4e-5 for 512 points.
_ROUNDING = 1e-10


@dataclass(frozen=True)
class LineOperators:
    """The one-dimensional operators along one axis, from its n points to its m corners.

    Attributes:
        difference: Derivative at the corners ``[m, n]`` [1/length].
        mean: Mean of the neighbours at the corners ``[m, n]``.
        outside: By side with a fixed value half a cell outside the points: the column ``[m]`` of
            ``difference`` that this value would have.
        held: By side with a fixed value on its node: whether a point is that ``[n]``.
        weight: Inverse of the part of a cell around each point that lies in the domain, 0 for
            points that are held ``[n]``.
    """

    difference: np.ndarray
    mean: np.ndarray
    outside: Mapping[str, np.ndarray]
    held: Mapping[str, np.ndarray]
    weight: np.ndarray

    def modes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Eigenvectors V ``[m, m]`` in columns, and the diagonals of VᵀKV and VᵀMV.

        K = D W Dᵀ and M = B W Bᵀ with the difference D, the mean B and the weights W. They have no
        null vector in common: a constant has no difference, an alternating vector no mean.
        """
        stiffness = (self.difference * self.weight) @ self.difference.T
        mass = (self.mean * self.weight) @ self.mean.T
        scale = np.abs(stiffness).max()
        share, vectors = eigh(stiffness / scale, stiffness / scale + mass)
        share[share < _ROUNDING], share[share > 1 - _ROUNDING] = 0.0, 1.0
        return vectors, share * scale, 1 - share


def line_operators(grid: Grid, position: int) -> LineOperators:
    """The operators along one axis: spectral if it is periodic, else of second order.

    Args:
        grid: Grid of the points.
        position: Which of the grid's axes.
    """
    n, dx, sides = grid.shape[position], grid.spacing[position], grid.boundary[position]
    if sides == (PERIODIC, PERIODIC):
        column = np.fft.ifft(1j * _wavenumbers(n, dx)).real
        rows, columns = np.indices((n, n))
        return LineOperators(column[(rows - columns) % n], np.eye(n), {}, {}, np.ones(n))
    # Corner j lies between the points j - 1 and j, so that the first and the last are beyond them.
    right, left = np.eye(n + 1, n), np.eye(n + 1, n, -1)
    difference, mean = (right - left) / dx, (right + left) / 2
    fixed = {side: end for side, end in _ENDS.items() if not isinstance(sides[end], str)}
    if grid.nodes_on_boundary[position]:
        weight = np.ones(n)
        for side, end in _ENDS.items():
            weight[end] = 0.0 if side in fixed else 2.0
        held = {side: np.eye(n, dtype=bool)[end] for side, end in fixed.items()}
        return LineOperators(difference[1:-1], mean[1:-1], {}, held, weight)
    # Half a cell beyond the centres is the wall; p = 0 on a zero-gradient side needs no corner.
    kept = slice(0 if "lower" in fixed else 1, n + 1 if "upper" in fixed else n)
    columns_outside = {"lower": -np.eye(n + 1)[0] / dx, "upper": np.eye(n + 1)[-1] / dx}
    outside = {side: columns_outside[side][kept] for side in fixed}
    return LineOperators(difference[kept], mean[kept], outside, {}, np.ones(n))


def _wavenumbers(n: int, dx: float) -> np.ndarray:
    k = 2 * pi * np.fft.fftfreq(n, dx)
    if n % 2 == 0:
        k[n // 2] = 0.0  # the grid has no derivative of this mode: cos(πi) without its sin(πi)
    return k
