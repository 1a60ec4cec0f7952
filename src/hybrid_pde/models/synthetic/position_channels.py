"""Harmonics of the position as input channels, for dynamics that vary in space.

Layout: ``C`` channels, ``X Y Z`` space.
"""

import math
from collections.abc import Sequence

import torch

from hybrid_pde.domain.grid import PERIODIC
from hybrid_pde.models.synthetic.padding import Boundary


def num_coordinates(boundary: Boundary, harmonics: int) -> int:
    """Number of channels: two for each harmonic of a periodic axis, one between walls."""
    return harmonics * sum(1 + (PERIODIC in sides) for sides in boundary)


def coordinates(
    space: Sequence[int], padded: Sequence[int], boundary: Boundary, harmonics: int
) -> torch.Tensor:
    """sin(2πjx/L) and cos(2πjx/L) along each periodic axis, cos(πjx/L) along the others.

    j runs from 1 to ``harmonics``. Points are taken to lie half a cell inside the ends. The
    harmonics of a padded grid are those of the points beyond its ends, so that they go on
    periodically, and as in a mirror at walls.

    Args:
        space: Number of points along each axis.
        padded: The same with the points that were added, as many at either end.
        boundary: For each axis the condition on its (lower, upper) side.
        harmonics: Number of wavenumbers.

    Returns:
        Tensor ``[num_coordinates, *padded]`` in single precision.
    """
    channels = []
    for axis, (points, length, sides) in enumerate(zip(space, padded, boundary, strict=True)):
        added, odd = divmod(length - points, 2)
        assert not odd, (space, padded)
        x = (torch.arange(length, dtype=torch.float64) - added + 0.5) / points
        shape = [1] * len(padded)
        shape[axis] = length
        for j in range(1, harmonics + 1):
            if PERIODIC in sides:
                waves = [torch.sin(2 * math.pi * j * x), torch.cos(2 * math.pi * j * x)]
            else:
                waves = [torch.cos(math.pi * j * x)]
            channels += [wave.view(shape).expand(*padded) for wave in waves]
    return torch.stack(channels).float()
