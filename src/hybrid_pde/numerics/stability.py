"""Stability limits: largest stable time step and number of substeps per frame.

The limits are those of the classical Runge-Kutta method (region of stability: Hairer and Wanner
(1996), Solving Ordinary Differential Equations II, IV.2) and of the Runge-Kutta-Chebyshev method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf, isfinite
from typing import Protocol

from hybrid_pde.numerics.runge_kutta import IMAGINARY_LIMIT, REAL_LIMIT
from hybrid_pde.numerics.runge_kutta_chebyshev import MAX_STAGES, real_limit, stages_for

# The speed may grow within a frame, and modes at the limit are hardly damped.
SAFETY = 0.8
# Largest |reaction rate · dt| of a step of fourth and of second order.
_LARGEST_REACTION_CLASSICAL = 0.8
_LARGEST_REACTION_CHEBYSHEV = 0.05
# The Chebyshev method is of lower order. It is used if it needs at most this share of the classical
# method's evaluations of the rate.
_LARGEST_COST_RATIO = 0.5


class Eigenvalues(Protocol):
    """Eigenvalues of a discretization."""

    def eigenvalue(self, order: int) -> float:
        """Largest |λ| dxⁿ of the derivative of order n."""


@dataclass(frozen=True)
class Bounds:
    """Bounds on the coefficients of an equation, which limit the time step.

    Attributes:
        speeds: Largest |velocity| along each axis [length/time].
        linear: Largest |coefficient| of ∂ⁿ by n >= 2 [lengthⁿ/time], e.g. the diffusivity for 2.
        reaction_rate: Largest |d rate / d u| of the terms without derivatives [1/time].
    """

    speeds: Sequence[float]
    linear: Mapping[int, float]
    reaction_rate: float

    @property
    def is_dissipative(self) -> bool:
        """True if all eigenvalues are real: neither advection nor odd derivatives."""
        odd = [value for order, value in self.linear.items() if order % 2]
        return not any(self.speeds) and not any(odd)


def widest(all_bounds: Sequence[Bounds]) -> Bounds:
    """The element-wise maximum of bounds."""
    orders = {order for bounds in all_bounds for order in bounds.linear}
    return Bounds(
        tuple(max(speeds) for speeds in zip(*(b.speeds for b in all_bounds), strict=True)),
        {order: max(b.linear.get(order, 0.0) for b in all_bounds) for order in orders},
        max(b.reaction_rate for b in all_bounds),
    )


def largest_stable_dt(bounds: Bounds, spacing: Sequence[float], scheme: Eigenvalues) -> float:
    """The largest stable time step of the classical Runge-Kutta method [time].

    The eigenvalues of odd derivatives are imaginary, those of even derivatives and of the reaction
    are real. The step is stable if |λ_imag| dt / 2.828 + |λ_real| dt / 2.785 <= 1, a rhombus inside
    the region of stability.

    Args:
        bounds: Bounds on the terms of the equation.
        spacing: Distance between neighbouring points along each axis [length].
        scheme: The discretization of the derivatives.

    Returns:
        Infinity if no term limits the step; NaN if an argument is NaN.
    """
    fastest = sum(abs(speed) / dx for speed, dx in zip(bounds.speeds, spacing, strict=True))
    imaginary = scheme.eigenvalue(1) * fastest if fastest else 0.0
    real = abs(bounds.reaction_rate)
    for order, coefficient in bounds.linear.items():
        if not coefficient:
            continue
        if order == 4:  # ∇²∇²: the square of the sum
            scale = sum(dx**-2 for dx in spacing) ** 2
        else:
            scale = sum(dx**-order for dx in spacing)
        size = scheme.eigenvalue(order) * abs(coefficient) * scale
        imaginary, real = (imaginary + size, real) if order % 2 else (imaginary, real + size)
    inverse = imaginary / IMAGINARY_LIMIT + real / REAL_LIMIT
    return 1 / inverse if inverse else inf


def count_substeps(dt: float, limit: float, reaction_rate: float = 0.0) -> int | None:
    """Number of equal stable steps per ``dt``; ``None`` if no finite number is stable.

    A reaction far from its equilibrium needs steps shorter than the stable ones to be accurate;
    ``reaction_rate`` limits the step accordingly.

    Args:
        dt: Time between two frames [time].
        limit: Largest stable time step [time].
        reaction_rate: Largest |d rate / d u| of the terms without derivatives [1/time].
    """
    ratio = abs(dt) / (SAFETY * limit) if limit else inf
    ratio = max(ratio, abs(dt * reaction_rate) / _LARGEST_REACTION_CLASSICAL)
    return max(1, ceil(ratio)) if isfinite(ratio) else None


def chebyshev_steps(
    dt: float, limit: float, reaction_rate: float, substeps: int
) -> tuple[int, int | None]:
    """Steps of the Runge-Kutta-Chebyshev method, if it costs less than the classical one.

    Args:
        dt: Time between two frames [time].
        limit: Largest stable time step of the classical method; all eigenvalues are real.
        reaction_rate: Largest |d rate / d u| of the terms without derivatives [1/time].
        substeps: Number of classical steps.

    Returns:
        Number of steps and of their stages; ``substeps`` and ``None`` for the classical method.
    """
    size = REAL_LIMIT * abs(dt) / (SAFETY * limit)  # |λ dt|
    steps = max(
        ceil(size / real_limit(MAX_STAGES)),
        ceil(abs(dt * reaction_rate) / _LARGEST_REACTION_CHEBYSHEV),
        1,
    )
    stages = stages_for(size / steps)
    if steps * stages > _LARGEST_COST_RATIO * 4 * substeps:
        return substeps, None
    return steps, stages
