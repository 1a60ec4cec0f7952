"""Interpolation of velocities between cell centres and cell faces.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
On the faces, channel i of an entry is on the lower face of its cell across axis i, so every channel
has the shape of the cells. On a periodic axis the face after the last is the first;
between walls the first face is the lower wall, and the upper wall, after the last, is not stored.
"""

from collections.abc import Sequence

import numpy as np
import torch

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
            _periodic(n) if PERIODIC in sides else _between_walls(n)
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


def _periodic(n: int) -> tuple[np.ndarray, np.ndarray]:
    """``[face, centre]`` and ``[centre, face]``."""
    half = np.exp(1j * np.pi / n * np.arange(n // 2 + 1))[:, None]
    if n % 2 == 0:
        half[-1] = 0.0  # the alternating mode is zero halfway between its points
    modes = np.fft.rfft(np.eye(n), axis=0)
    # the lower face lies before its centre
    return np.fft.irfft(modes / np.where(half, half, np.inf), n, axis=0), np.fft.irfft(
        modes * half, n, axis=0
    )


def _between_walls(n: int) -> tuple[np.ndarray, np.ndarray]:
    """``[face, centre]`` and ``[centre, face]``; the first face is the wall."""
    wavenumber = np.arange(1, n + 1)
    at_faces = np.sin(np.pi / n * np.outer(np.arange(n), wavenumber))
    at_centres = np.sin(np.pi / n * np.outer(np.arange(n) + 0.5, wavenumber))
    squares = np.where(wavenumber == n, n, n / 2)  # of the sines' sums over the centres
    of_centres = (at_centres / squares).T
    # over the faces, where the highest sine is zero, the others have the same
    of_faces = (at_faces / squares).T
    return at_faces @ of_centres, at_centres @ of_faces
