"""Field parametrized by its values at all grid points, with a smoothness penalty."""

from typing import Any

import numpy as np
import torch

from hybrid_pde.config.schema import GridValues
from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.training.physical.fields.initial_guess import (
    finite_numbers,
    invalid_value,
    magnitude,
)

# Ratio of the mean magnitude of a field to that of its guess from which the guess is far off.
_FAR = 10.0


class GridField:
    """A value at every grid point; a :class:`FieldParametrization`.

    The data may hardly constrain the field at some points, so the loss has the additional term

        smoothness · Σ_axes mean over pairs of neighbours of (L Δκ / (κ₀ dx))²

    with L the length of the domain along the axis and κ₀ the mean magnitude of the initial guess:
    the mean square of L ∇κ/κ₀, which is independent of the resolution. If the guess turns out to be
    far off, κ₀ is that of the estimate (:meth:`adopt_magnitude`).

    Args:
        section: The weight ``smoothness``.
        grid: Grid of the field.
        initial_guess: A number, or nested lists of the shape of the grid.
        label: Name of the parameter.

    Raises:
        ConfigError: for any other initial guess.
    """

    def __init__(self, section: GridValues, grid: Grid, initial_guess: Any, label: str) -> None:
        self._grid = grid
        self._smoothness = section.smoothness
        key = f"{label}.initial_guess"
        allowed = f"a number, or nested lists of numbers of the grid's shape {list(grid.shape)}"
        guess = finite_numbers(key, initial_guess, allowed)
        if guess.shape not in ((), grid.shape):
            raise invalid_value(key, initial_guess, allowed)
        field = np.broadcast_to(guess, grid.shape)
        self._unit = magnitude(field)
        self.start = field.reshape(-1).copy()
        self.scale = np.where(self.start == 0, self._unit, np.abs(self.start))
        self.labels = [f"{label}[{','.join(map(str, at))}]" for at in np.ndindex(grid.shape)]
        self.lower = np.full(self.start.shape, -np.inf)
        self.upper = np.full(self.start.shape, np.inf)

    def values(self, theta: torch.Tensor, grid: Grid | None = None) -> torch.Tensor:
        """The field ``[*space]``, θ itself."""
        return theta.reshape(self._grid.shape)

    def penalty(self, theta: torch.Tensor) -> torch.Tensor | None:
        """One residual per pair of neighbours ``[m]``, axis by axis."""
        if self._smoothness == 0:
            return None
        field = self.values(theta) / self._unit
        residuals = []
        for axis, points in enumerate(self._grid.shape):
            if self._grid.boundary[axis] == (PERIODIC, PERIODIC):
                steps = torch.roll(field, -1, axis) - field
            else:
                steps = field.narrow(axis, 1, points - 1) - field.narrow(axis, 0, points - 1)
            length = self._grid.upper[axis] - self._grid.lower[axis]
            weight = self._smoothness**0.5 * length / self._grid.spacing[axis]
            residuals.append(steps.reshape(-1) * (weight / steps.numel() ** 0.5))
        return torch.cat(residuals)

    def adopt_magnitude(self, theta: torch.Tensor) -> bool:
        """Set κ₀ to the mean magnitude of a field that is far from it; whether it was."""
        found = float(theta.detach().abs().mean())
        if found == 0 or 1 / _FAR <= found / self._unit <= _FAR:
            return False
        self._unit = found
        return self._smoothness > 0

    def describe(self, theta: torch.Tensor) -> dict[str, Any]:
        """Smallest, largest and mean value of the field."""
        field = theta.detach()
        return {
            "minimum": float(field.min()),
            "maximum": float(field.max()),
            "mean": float(field.mean()),
        }
