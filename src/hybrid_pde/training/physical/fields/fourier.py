"""A field learned as its long waves."""

from itertools import product
from typing import Any

import numpy as np
import torch

from hybrid_pde.config.schema import FourierModes
from hybrid_pde.domain.grid import PERIODIC, Grid, axis_points
from hybrid_pde.training.physical.fields.initial_guess import finite_numbers, magnitude, wrong


class FourierField:
    """Waves up to a wavenumber along each axis; see :class:`FieldParametrization`.

    κ(x) = Σ θ_kl… φ_k(x) φ_l(y) …, where with ξ = (x − lower)/L the functions φ are 1, cos 2πmξ and
    sin 2πmξ along a periodic axis, and cos mπξ, whose slope vanishes at both ends, along any other.

    Args:
        section: The largest wavenumber ``modes``.
        grid: Where the field lives.
        initial_guess: The constant that the field starts from.
        label: The parameter's name.

    Raises:
        ConfigError: if the guess is not a number, or the grid cannot tell so many modes apart.

    Source: Boyd (2001), Chebyshev and Fourier Spectral Methods, chapter 2.
    """

    def __init__(self, section: FourierModes, grid: Grid, initial_guess: Any, label: str) -> None:
        key = f"{label}.initial_guess"
        guess = finite_numbers(key, initial_guess, "a number, the constant to start from")
        if guess.ndim:
            raise wrong(key, initial_guess, "a number, the constant to start from")
        self._bases: list[torch.Tensor] = []
        names = []
        for number, axis in enumerate(grid.axes):
            periodic = grid.boundary[number] == (PERIODIC, PERIODIC)
            points = grid.shape[number]
            most = (points - 1) // 2 if periodic else points - 1
            if section.modes > most:
                raise wrong(
                    f"{label}.parametrization.modes",
                    section.modes,
                    f"{points} points along {axis} tell {most} modes apart",
                )
            length = grid.upper[number] - grid.lower[number]
            phase = 2 * np.pi * (axis_points(grid)[axis] - grid.lower[number]) / length
            basis, waves = _waves(phase, section.modes, periodic)
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

    def values(self, theta: torch.Tensor) -> torch.Tensor:
        """The field ``[*space]``: the sum of the waves."""
        field = theta.reshape([basis.shape[1] for basis in self._bases])
        for basis in self._bases:  # the first axis is summed over, and the points come last
            field = torch.tensordot(field, basis.to(theta), dims=([0], [1]))
        return field

    def penalty(self, theta: torch.Tensor) -> torch.Tensor | None:
        """None: leaving out the short waves is what keeps the field smooth."""
        return None

    def describe(self, theta: torch.Tensor) -> dict[str, Any]:
        """Coefficient of each mode."""
        return {"modes": dict(zip(self._modes, theta.detach().tolist(), strict=True))}


def _waves(phase: np.ndarray, modes: int, periodic: bool) -> tuple[np.ndarray, list[str]]:
    """The functions of one axis ``[points, functions]``, and their names.

    Args:
        phase: 2π (x − lower)/L.
        modes: Largest wavenumber.
        periodic: Whether there are sines too.
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
