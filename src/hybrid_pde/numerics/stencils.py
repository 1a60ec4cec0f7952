"""Weights of differences, interpolation and ghost points for unit spacing.

All weights are exact for polynomials. They are solved for in rational arithmetic, so symmetric
stencils are symmetric to the last digit.

Source: Fornberg (1988), Mathematics of Computation 51, 699-706.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import factorial

import numpy as np

VALUE, SLOPE = 0, 1


@dataclass(frozen=True, eq=False)
class GhostRule:
    """Linear rule for the ghost points beyond a wall.

    Attributes:
        weights: Weights of the points ``[ghost, point]``, both counted from the wall.
        prescribed: Weight of the prescribed value at the wall ``[ghost]``.
    """

    weights: np.ndarray
    prescribed: np.ndarray

    @property
    def num_points(self) -> int:
        """Number of points inside the wall that the rule uses."""
        return self.weights.shape[1]


@lru_cache
def difference_weights(offsets: tuple[float, ...], derivative: int) -> np.ndarray:
    """Weights w with Σ w_j u(x + offset_j) = u⁽ᵐ⁾(x) for polynomials of degree < len(offsets).

    Args:
        offsets: Positions relative to the point of evaluation, multiples of ½ [spacing].
        derivative: m, 0 for interpolation.
    """
    at = [Fraction(offset) for offset in offsets]
    moments = [[x**k for x in at] for k in range(len(at))]
    wanted = [Fraction(factorial(k) if k == derivative else 0) for k in range(len(at))]
    return np.array([float(row[0]) for row in _solve(moments, [[value] for value in wanted])])


@lru_cache
def central_weights(accuracy: int, derivative: int) -> np.ndarray:
    """Weights of a central difference at the point itself and at the points to the right.

    Points to the left have the same weights, or the opposite ones for an odd derivative.

    Args:
        accuracy: Order of accuracy, an even number.
        derivative: Order of the derivative, 1 or more.
    """
    reach = (accuracy + derivative - 1) // 2
    return difference_weights(tuple(range(-reach, reach + 1)), derivative)[reach:]


@lru_cache
def staggered_weights(accuracy: int, derivative: int) -> np.ndarray:
    """Weights of the points at ½, 3/2, … to the right, for the midpoint between two points.

    Args:
        accuracy: Order of accuracy, an even number.
        derivative: 0 for interpolation, 1 for the first derivative.
    """
    reach = accuracy // 2
    return difference_weights(tuple(j + 0.5 for j in range(-reach, reach)), derivative)[reach:]


@lru_cache
def polynomial_ghosts(
    count: int, first: float, num_points: int, condition: int | None
) -> GhostRule:
    """Ghost points on the polynomial through the nearest points and the wall condition.

    Args:
        count: Number of ghosts, at first − 1, first − 2, … [spacing].
        first: Distance of the nearest point from the wall: ½, or 0 with a point on it.
        num_points: Number of points, at first, first + 1, ….
        condition: ``VALUE`` or ``SLOPE`` (zero) prescribed at the wall; ``None`` for extrapolation.
    """
    start = Fraction(first)
    positions = [start + i for i in range(num_points)]
    degrees = range(num_points + (condition is not None))
    # One row per condition, one column per coefficient of the polynomial.
    rows = [[x**k for k in degrees] for x in positions]
    if condition is not None:
        rows.append([Fraction(int(k == condition)) for k in degrees])
    identity = [[Fraction(int(i == j)) for j in degrees] for i in degrees]
    coefficients = _solve(rows, identity)
    ghosts = np.array(
        [
            [float(sum((start - g) ** k * coefficients[k][j] for k in degrees)) for j in degrees]
            for g in range(1, count + 1)
        ]
    ).reshape(count, len(degrees))
    value = ghosts[:, -1] if condition == VALUE else np.zeros(count)
    return GhostRule(ghosts[:, :num_points], value)


@lru_cache
def mirrored_ghosts(count: int, on_wall: bool, odd: bool) -> GhostRule:
    """Ghost points that mirror the points inside the wall.

    Args:
        count: Number of ghosts.
        on_wall: Whether the nearest point lies on the wall, instead of half a spacing inside.
        odd: Whether the function minus its value at the wall is odd (zero second derivative);
            otherwise it is even (zero odd derivatives).
    """
    skipped = int(on_wall)
    sign = -1.0 if odd else 1.0
    weights = np.eye(count, count + skipped, k=skipped) * sign
    prescribed = np.zeros(count)
    if odd and on_wall:
        weights[:, 0] += 2.0
    elif odd:
        prescribed += 2.0
    return GhostRule(weights, prescribed)


def _solve(
    matrix: Sequence[Sequence[Fraction]], right: Sequence[Sequence[Fraction]]
) -> list[list[Fraction]]:
    """Gauss-Jordan elimination of an invertible matrix."""
    rows = [[*left, *side] for left, side in zip(matrix, right, strict=True)]
    size = len(rows)
    for column in range(size):
        pivot = next(i for i in range(column, size) if rows[i][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [entry / rows[column][column] for entry in rows[column]]
        for i in range(size):
            if i != column and rows[i][column]:
                factor = rows[i][column]
                pairs = zip(rows[i], rows[column], strict=True)
                rows[i] = [entry - factor * pivoted for entry, pivoted in pairs]
    return [row[size:] for row in rows]
