"""Central differences of order 2, 4 and 6 on a periodic box.

Tensors have named dimensions: any batch and channel dimensions, spatial ones x, y, z.

Source: Fornberg (1988), Mathematics of Computation 51, table 1.
"""

from collections.abc import Mapping
from math import pi

import numpy as np
from phi.torch.flow import extrapolation, math

# Weights of the neighbours at distance 1, 2, 3; a first derivative takes (right - left), a second
# one (right + left) and the centre's weight, which makes all weights sum to zero.
_FIRST: Mapping[int, tuple[float, ...]] = {
    2: (1 / 2,),
    4: (2 / 3, -1 / 12),
    6: (3 / 4, -3 / 20, 1 / 60),
}
_SECOND: Mapping[int, tuple[float, ...]] = {
    2: (1.0,),
    4: (4 / 3, -1 / 12),
    6: (3 / 2, -3 / 20, 1 / 90),
}
ORDERS = tuple(_FIRST)


class FiniteDifference:
    """Operators that replace derivatives by central differences.

    Args:
        spacing: Distance between neighbouring points along each axis [length].
        order: Order of accuracy in the spacing, 2, 4 or 6.
    """

    def __init__(self, spacing: Mapping[str, float], order: int) -> None:
        assert order in ORDERS, f"order {order}, not one of {ORDERS}"
        self.spacing = dict(spacing)
        self.order = order

    def gradient(self, u: math.Tensor, axis: str) -> math.Tensor:
        """First derivative ∂u/∂axis, in units of ``u`` per length; same shape as ``u``."""
        scale = 1 / self.spacing[axis]
        return sum(
            (right - left) * (weight * scale)
            for weight, (left, right) in zip(
                _FIRST[self.order], self._neighbours(u, axis), strict=True
            )
        )

    def laplacian(self, u: math.Tensor) -> math.Tensor:
        """Sum of second derivatives ∇²u, component by component; same shape as ``u``."""
        weights = _SECOND[self.order]
        result = u * sum(-2 * sum(weights) / dx**2 for dx in self.spacing.values())
        for axis, dx in self.spacing.items():
            for weight, (left, right) in zip(weights, self._neighbours(u, axis), strict=True):
                result = result + (right + left) * (weight / dx**2)
        return result

    def advect(self, velocity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """Advective derivative (velocity·∇)u in advective form.

        Args:
            velocity: Vector with a component of the dimension ``vector`` for each axis.
            u: Scalar or vector; a vector is advected component by component.
        """
        return sum(velocity.vector[axis] * self.gradient(u, axis) for axis in self.spacing)

    @property
    def first_eigenvalue(self) -> float:
        """Largest |eigenvalue| of the first derivative, times the spacing."""
        angles = np.linspace(0.0, pi, 2001)
        weights = _FIRST[self.order]
        symbol = sum(2 * w * np.sin((j + 1) * angles) for j, w in enumerate(weights))
        return float(np.max(np.abs(symbol)))

    @property
    def second_eigenvalue(self) -> float:
        """Largest |eigenvalue| of the second derivative, times the spacing squared."""
        weights = _SECOND[self.order]
        return float(sum(2 * w * (1 - np.cos((j + 1) * pi)) for j, w in enumerate(weights)))

    def _neighbours(self, u: math.Tensor, axis: str) -> list[tuple[math.Tensor, math.Tensor]]:
        reach = self.order // 2
        offsets = (*range(-reach, 0), *range(1, reach + 1))
        shifted = math.shift(u, offsets, axis, extrapolation.PERIODIC, stack_dim=None)
        return [(shifted[reach - j], shifted[reach - 1 + j]) for j in range(1, reach + 1)]
