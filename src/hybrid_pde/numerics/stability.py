"""The largest time step for which the Runge-Kutta method is stable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf, isfinite
from typing import Protocol

from hybrid_pde.numerics.runge_kutta import IMAGINARY_LIMIT, REAL_LIMIT
from hybrid_pde.numerics.runge_kutta_chebyshev import MAX_STAGES, real_limit, stages_for

# The speed may grow within a frame, and modes at the limit are hardly damped: stay below it.
SAFETY = 0.8
# Largest |reaction rate · dt| of a step of fourth and of second order.
_RESOLVED = 0.8
_REACTED = 0.05
# Share of the classical method's evaluations from which the other one is worth its lower order.
_PAYS = 0.5


class Eigenvalues(Protocol):
    """What the limit needs to know about a discretization."""

    def eigenvalue(self, order: int) -> float:
        """Largest |eigenvalue| of the derivative of that order, times the spacing to that power."""


@dataclass(frozen=True)
class Bounds:
    """How fast a state can change, term by term.

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
        """Whether nothing oscillates: there are neither speeds nor odd derivatives."""
        odd = [value for order, value in self.linear.items() if order % 2]
        return not any(self.speeds) and not any(odd)


def widest(all_bounds: Sequence[Bounds]) -> Bounds:
    """The bounds that hold at all of several times."""
    orders = {order for bounds in all_bounds for order in bounds.linear}
    return Bounds(
        tuple(max(speeds) for speeds in zip(*(b.speeds for b in all_bounds), strict=True)),
        {order: max(b.linear.get(order, 0.0) for b in all_bounds) for order in orders},
        max(b.reaction_rate for b in all_bounds),
    )


def largest_stable_dt(bounds: Bounds, spacing: Sequence[float], scheme: Eigenvalues) -> float:
    """The largest stable time step of all terms of an equation together [time].

    The eigenvalues of odd derivatives are imaginary, those of even ones and of the reaction real;
    their sum is stable where |λ_imag| dt / 2.828 + |λ_real| dt / 2.785 <= 1, a rhombus inside the
    region of stability.

    Args:
        bounds: Of the equation.
        spacing: Distance between neighbouring points along each axis [length].
        scheme: The discretization of the derivatives.

    Returns:
        Infinity where nothing limits the step; NaN where an argument is NaN.
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
    """How many equal stable steps make up ``dt``; ``None`` if no finite number does.

    A reaction may still be far from its equilibrium where it limits the step, so that a step that
    is only just stable would be inaccurate: it takes more.

    Args:
        dt: Time between two frames [time].
        limit: Largest stable time step [time].
        reaction_rate: Largest |d rate / d u| of the terms without derivatives [1/time].
    """
    ratio = abs(dt) / (SAFETY * limit) if limit else inf
    ratio = max(ratio, abs(dt * reaction_rate) / _RESOLVED)
    return max(1, ceil(ratio)) if isfinite(ratio) else None


def chebyshev_steps(
    dt: float, limit: float, reaction_rate: float, substeps: int
) -> tuple[int, int | None]:
    """Steps of the Runge-Kutta-Chebyshev method in place of classical ones, where they pay.

    Args:
        dt: Time between two frames [time].
        limit: Largest stable time step of the classical method, where all eigenvalues are real.
        reaction_rate: Largest |d rate / d u| of the terms without derivatives [1/time].
        substeps: Number of classical steps.

    Returns:
        Number of steps and their stages; the classical number and ``None`` where it costs less.
    """
    size = REAL_LIMIT * abs(dt) / (SAFETY * limit)  # |λ dt|
    steps = max(ceil(size / real_limit(MAX_STAGES)), ceil(abs(dt * reaction_rate) / _REACTED), 1)
    stages = stages_for(size / steps)
    if steps * stages > _PAYS * 4 * substeps:
        return substeps, None
    return steps, stages
