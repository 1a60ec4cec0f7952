"""The largest time step for which the Runge-Kutta method is stable."""

from collections.abc import Sequence
from math import ceil, inf, isfinite
from typing import Protocol

from src.numerics.runge_kutta import IMAGINARY_LIMIT, REAL_LIMIT

# The speed may grow within a frame, and modes at the limit are hardly damped: stay below it.
SAFETY = 0.8


class Eigenvalues(Protocol):
    """What the limit needs to know about a discretization."""

    @property
    def first_eigenvalue(self) -> float:
        """Largest |eigenvalue| of the first derivative, times the spacing."""

    @property
    def second_eigenvalue(self) -> float:
        """Largest |eigenvalue| of the second derivative, times the spacing squared."""


def largest_stable_dt(
    speeds: Sequence[float],
    diffusivity: float,
    reaction_rate: float,
    spacing: Sequence[float],
    scheme: Eigenvalues,
) -> float:
    """The largest stable time step of advection, diffusion and reaction together [time].

    The eigenvalues of advection are imaginary, those of diffusion and reaction real; their sum
    is stable where |λ_imag| dt / 2.828 + |λ_real| dt / 2.785 <= 1, a rhombus inside the region of
    stability.

    Args:
        speeds: Largest |velocity| along each axis [length/time].
        diffusivity: Largest diffusivity [length²/time]; its sign does not matter.
        reaction_rate: Largest |d rate / d u| of the terms without derivatives [1/time].
        spacing: Distance between neighbouring points along each axis [length].
        scheme: The discretization of the derivatives.

    Returns:
        Infinity where nothing limits the step; NaN where an argument is NaN.
    """
    imaginary = scheme.first_eigenvalue * sum(
        abs(speed) / dx for speed, dx in zip(speeds, spacing, strict=True)
    )
    real = scheme.second_eigenvalue * abs(diffusivity) * sum(dx**-2 for dx in spacing)
    inverse = imaginary / IMAGINARY_LIMIT + (real + abs(reaction_rate)) / REAL_LIMIT
    return 1 / inverse if inverse else inf


def count_substeps(dt: float, limit: float) -> int | None:
    """How many equal stable steps make up ``dt``; ``None`` if no finite number does.

    Args:
        dt: Time between two frames [time].
        limit: Largest stable time step [time].
    """
    ratio = abs(dt) / (SAFETY * limit) if limit else inf
    return max(1, ceil(ratio)) if isfinite(ratio) else None
