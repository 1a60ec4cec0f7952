"""Gradients of potentials as input channels, for dynamics that act at a distance.

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space.
"""

import math
from collections.abc import Sequence

import torch

from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, Side
from hybrid_pde.models.synthetic.padding import Boundary

WAVES = 4  # in a box: the gradient of such a field's potential is as large as the field


class PotentialGradients:
    """∇φ of fields q, where ∇²φ = q − mean(q), on a grid of a given size.

    The gradient at a point depends on the whole box. Of a vorticity field it is the velocity,
    turned by a right angle; of a density it is the force of gravity or of an electric field. φ is
    periodic or has the boundary condition of q, with 0 for a fixed value. It is a sum of the waves
    of the grid, whose derivatives are exact, and its unit is chosen such that the gradient of a
    wave of a quarter of the box is as large as the wave.

    Args:
        space: Number of points along each axis.
        padded: The same with the points that were added, as many at either end; the waves go on
            there.
        boundary: For each axis the condition on its (lower, upper) side.
        spacing: Distance of points along each axis, in any unit.
    """

    def __init__(
        self,
        space: Sequence[int],
        padded: Sequence[int],
        boundary: Boundary,
        spacing: Sequence[float],
    ) -> None:
        lengths = [points * dx for points, dx in zip(space, spacing, strict=True)]
        unit = math.prod(lengths) ** (1 / len(lengths)) / (2 * math.pi * WAVES)
        self._forward: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._slopes: list[torch.Tensor] = []
        square = torch.zeros((), dtype=torch.float64)
        for points, size, sides, length in zip(space, padded, boundary, lengths, strict=True):
            inside = (torch.arange(points, dtype=torch.float64) + 0.5) / points
            x = (torch.arange(size, dtype=torch.float64) - (size - points) // 2 + 0.5) / points
            numbers, phases = _waves(points, sides)
            k = numbers * unit / length
            self._forward.append(torch.linalg.inv(torch.cos(inside[:, None] * numbers + phases)).T)
            angles = x[:, None] * numbers + phases
            self._values.append(torch.cos(angles).T)
            self._slopes.append((-k * torch.sin(angles)).T)
            square = square.unsqueeze(-1) + k.square()
        self._inverse = torch.where(square > 0, -1 / square, 0.0)

    @property
    def num_axes(self) -> int:
        """Number of spatial axes."""
        return len(self._forward)

    def __call__(self, fields: torch.Tensor) -> torch.Tensor:
        """Fields ``[B, C, *space]`` to gradients ``[B, C · axes, *padded]``."""
        waves = self._inverse * _along_axes(fields, self._forward)
        gradients = []
        for axis in range(self.num_axes):
            back = [*self._values]
            back[axis] = self._slopes[axis]
            gradients.append(_along_axes(waves, back))
        return torch.stack(gradients, dim=2).flatten(1, 2)

    def to(self, like: torch.Tensor) -> "PotentialGradients":
        """The same on the device and in the precision of a tensor; returns itself."""
        for matrices in (self._forward, self._values, self._slopes):
            matrices[:] = [each.to(like.device, like.dtype) for each in matrices]
        self._inverse = self._inverse.to(like.device, like.dtype)
        return self


def _waves(points: int, sides: tuple[Side, Side]) -> tuple[torch.Tensor, torch.Tensor]:
    """Wavenumbers and phases of as many waves cos(kx + p) as there are points, x from 0 to 1."""
    count = torch.arange(points, dtype=torch.float64)
    if PERIODIC in sides:
        return 2 * math.pi * ((count + 1) // 2), -math.pi / 2 * (count % 2)
    lower, upper = (side == ZERO_GRADIENT for side in sides)
    phase = torch.full_like(count, 0.0 if lower else -math.pi / 2)
    first = 0.0 if lower and upper else 1.0 if lower == upper else 0.5
    return math.pi * (count + first), phase


def _along_axes(values: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    """Values ``[B, C, *space]`` times a matrix ``[n, m]`` along each axis."""
    for axis, matrix in enumerate(matrices):
        values = torch.matmul(values.movedim(axis + 2, -1), matrix).movedim(-1, axis + 2)
    return values
