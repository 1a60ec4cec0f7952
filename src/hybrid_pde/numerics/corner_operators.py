"""One-dimensional difference and mean operators from grid points to the corners between them.

With cell centres, the corners along an axis are the faces of its cells, including walls; with
points on the boundary they are the midpoints. Velocities are located at the points, pressure and
divergence at the corners, so the pressure needs no boundary condition at a wall.

Sources: Almgren, Bell and Szymczak (1996), SIAM Journal on Scientific Computing 17, 358 (pressure
at cell corners); Lynch, Rice and Thomas (1964), Numerische Mathematik 6, 185 (tensor-product
eigenvectors).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi

import numpy as np
from scipy.linalg import eigh

from hybrid_pde.domain.grid import PERIODIC, Grid

_ENDS = {"lower": 0, "upper": -1}
# Generalized eigenvalues this close to 0 or 1 belong to modes with zero difference or zero mean;
# the next ones are (π/n)², 4e-5 for 512 points.
_ROUNDING = 1e-10


@dataclass(frozen=True)
class LineOperators:
    """Operators along one axis, from its n points to its m corners.

    Attributes:
        difference: Derivative at the corners ``[m, n]`` [1/length].
        mean: Mean of the neighbours at the corners ``[m, n]``.
        outside: By side with a fixed value half a cell outside the points: the column ``[m]`` of
            ``difference`` for this value.
        held: By side with a fixed value on its points: mask of the point on that side ``[n]``.
        weight: Inverse fraction of the cell around each point that lies in the domain, 0 for held
            points ``[n]``.
    """

    difference: np.ndarray
    mean: np.ndarray
    outside: Mapping[str, np.ndarray]
    held: Mapping[str, np.ndarray]
    weight: np.ndarray

    def modes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Eigenvectors V ``[m, m]`` in columns, and the diagonals of VᵀKV and VᵀMV.

        K = D W Dᵀ and M = B W Bᵀ with the difference D, the mean B and the weights W. They have no
        common null vector: K vanishes on constants, M on alternating vectors.
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
        position: Index of the axis.
    """
    n, dx, sides = grid.shape[position], grid.spacing[position], grid.boundary[position]
    if sides == (PERIODIC, PERIODIC):
        column = np.fft.ifft(1j * _wavenumbers(n, dx)).real
        rows, columns = np.indices((n, n))
        return LineOperators(column[(rows - columns) % n], np.eye(n), {}, {}, np.ones(n))
    # Corner j lies between the points j - 1 and j; the first and the last corner lie outside.
    right, left = np.eye(n + 1, n), np.eye(n + 1, n, -1)
    difference, mean = (right - left) / dx, (right + left) / 2
    fixed = {side: end for side, end in _ENDS.items() if not isinstance(sides[end], str)}
    if grid.nodes_on_boundary[position]:
        weight = np.ones(n)
        for side, end in _ENDS.items():
            weight[end] = 0.0 if side in fixed else 2.0
        held = {side: np.eye(n, dtype=bool)[end] for side, end in fixed.items()}
        return LineOperators(difference[1:-1], mean[1:-1], {}, held, weight)
    # The wall is half a cell outside; zero-gradient sides have p = 0 and need no corner.
    kept = slice(0 if "lower" in fixed else 1, n + 1 if "upper" in fixed else n)
    columns_outside = {"lower": -np.eye(n + 1)[0] / dx, "upper": np.eye(n + 1)[-1] / dx}
    outside = {side: columns_outside[side][kept] for side in fixed}
    return LineOperators(difference[kept], mean[kept], outside, {}, np.ones(n))


def _wavenumbers(n: int, dx: float) -> np.ndarray:
    k = 2 * pi * np.fft.fftfreq(n, dx)
    if n % 2 == 0:
        k[n // 2] = 0.0  # Nyquist mode: cos(πi) has no partner sin(πi) on the grid
    return k
