"""Field parametrized by low-wavenumber Fourier modes."""

from itertools import product
from typing import Any

import numpy as np
import torch

from hybrid_pde.config.schema import FourierModes
from hybrid_pde.domain.grid import PERIODIC, Grid, axis_points
from hybrid_pde.training.physical.fields.initial_guess import (
    finite_numbers,
    invalid_value,
    magnitude,
)


class FourierField:
    """Fourier modes up to a wavenumber along each axis; a :class:`FieldParametrization`.

    κ(x) = Σ θ_kl… φ_k(x) φ_l(y) … with ξ = (x − lower)/L. Along a periodic axis φ are 1, cos 2πmξ
    and sin 2πmξ; along other axes cos mπξ, which has zero slope at both ends.

    Args:
        section: The largest wavenumber ``modes``.
        grid: Grid of the field.
        initial_guess: Constant initial value of the field.
        label: Name of the parameter.

    Raises:
        ConfigError: if the guess is not a number, or the grid does not resolve the modes.

    Source: Boyd (2001), Chebyshev and Fourier Spectral Methods, chapter 2.
    """

    def __init__(self, section: FourierModes, grid: Grid, initial_guess: Any, label: str) -> None:
        key = f"{label}.initial_guess"
        guess = finite_numbers(key, initial_guess, "not a number, the constant initial value")
        if guess.ndim:
            raise invalid_value(key, initial_guess, "not a number, the constant initial value")
        self._bases: list[torch.Tensor] = []
        names = []
        for number, axis in enumerate(grid.axes):
            periodic = grid.boundary[number] == (PERIODIC, PERIODIC)
            points = grid.shape[number]
            most = (points - 1) // 2 if periodic else points - 1
            if section.modes > most:
                raise invalid_value(
                    f"{label}.parametrization.modes",
                    section.modes,
                    f"the {points} points along {axis} resolve at most {most} modes",
                )
            length = grid.upper[number] - grid.lower[number]
            phase = 2 * np.pi * (axis_points(grid)[axis] - grid.lower[number]) / length
            basis, waves = _modes_of_axis(phase, section.modes, periodic)
            self._bases.append(torch.from_numpy(basis))
            names.append(waves)
        modes = [",".join(waves) for waves in product(*names)]
        self.labels = [f"{label}.mode[{mode}]" for mode in modes]
        self.start = np.zeros(len(modes))
        self.start[0] = guess
        self.scale = np.full(len(modes), magnitude(guess))
        self.lower = np.full(len(modes), -np.inf)
        self.upper = np.full(len(modes), np.inf)
        self._modes = modes

    def values(self, theta: torch.Tensor, grid: Grid | None = None) -> torch.Tensor:
        """The field ``[*space]``, the sum of the modes."""
        field = theta.reshape([basis.shape[1] for basis in self._bases])
        for basis in self._bases:  # sums over the first axis and appends the points as the last one
            field = torch.tensordot(field, basis.to(theta), dims=([0], [1]))
        return field

    def penalty(self, theta: torch.Tensor) -> torch.Tensor | None:
        """None: the truncation of wavenumbers keeps the field smooth."""
        return None

    def adopt_magnitude(self, theta: torch.Tensor) -> bool:
        """False: there is no penalty."""
        return False

    def describe(self, theta: torch.Tensor) -> dict[str, Any]:
        """Coefficient of each mode."""
        return {"modes": dict(zip(self._modes, theta.detach().tolist(), strict=True))}


def _modes_of_axis(phase: np.ndarray, modes: int, periodic: bool) -> tuple[np.ndarray, list[str]]:
    """The basis functions of one axis ``[points, functions]``, and their names.

    Args:
        phase: 2π (x − lower)/L.
        modes: Largest wavenumber.
        periodic: Whether to include sines.
    """
    columns, names = [np.ones_like(phase)], ["0"]
    for mode in range(1, modes + 1):
        if periodic:
            columns += [np.cos(mode * phase), np.sin(mode * phase)]
            names += [f"cos{mode}", f"sin{mode}"]
        else:
            columns.append(np.cos(mode * phase / 2))
            names.append(f"cos{mode}")
    return np.stack(columns, axis=1), names
