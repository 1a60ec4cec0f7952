"""Interpolation of velocities between cell centres and cell faces.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
On the faces, channel i of an entry is on the lower face of its cell across axis i, so every channel
has the shape of the cells. On a periodic axis the face after the last is the first;
between walls the first face is the lower wall, and the upper wall, after the last, is not stored.
"""

from collections.abc import Sequence

import torch

from hybrid_pde.data.face_matrices import periodic_matrices, walled_matrices
from hybrid_pde.domain.grid import PERIODIC, Grid


class Staggering:
    """Interpolation of every component along its own axis by half a cell, and back.

    Along a periodic axis the interpolant is the trigonometric polynomial through all points;
    between impermeable walls it is a sum of sines. Face values are recovered exactly from the
    centres, except for the alternating mode of an axis with an even number of cells, which vanishes
    halfway between its points. Arbitrary centre values lose the modes that faces cannot represent:
    that mode, and between walls the highest sine. The interpolation is spectrally accurate along
    periodic axes and between free-slip walls, and of order 2 next to no-slip walls, where the odd
    continuation of the velocity has a jump in its second derivative.

    It is linear, one matrix product for each component, so all derivatives pass through it.

    Args:
        grid: The cells.

    Source: Trefethen (2000), Spectral Methods in MATLAB, chapter 3.
    """

    def __init__(self, grid: Grid) -> None:
        pairs = [
            periodic_matrices(n) if PERIODIC in sides else walled_matrices(n)
            for sides, n in zip(grid.boundary, grid.shape, strict=True)
        ]
        self._to_faces = [torch.from_numpy(forth) for forth, _ in pairs]
        self._to_centres = [torch.from_numpy(back) for _, back in pairs]

    def to_faces(self, u: torch.Tensor) -> torch.Tensor:
        """Velocity ``[B, C, *space]`` at centres, on the lower faces; 0 on a wall."""
        return _apply(self._to_faces, u)

    def to_centres(self, u: torch.Tensor) -> torch.Tensor:
        """Velocity ``[B, C, *space]`` on the lower faces, at centres."""
        return _apply(self._to_centres, u)


def _apply(matrices: Sequence[torch.Tensor], u: torch.Tensor) -> torch.Tensor:
    moved = []
    for axis, (matrix, component) in enumerate(zip(matrices, u.unbind(1), strict=True)):
        along = torch.movedim(component, axis + 1, -1) @ matrix.T.to(u)
        moved.append(torch.movedim(along, -1, axis + 1))
    return torch.stack(moved, dim=1)
