"""What an equation's right-hand side may use of a discretization.

Tensors are PhiML's: any batch and channel dimensions, vectors with the dimension ``vector``,
spatial dimensions x, y, z.
"""

from collections.abc import Mapping
from typing import Protocol

from phiml import math

from hybrid_pde.domain.grid import Grid


class Operators(Protocol):
    """Spatial derivatives on one grid, with its boundary conditions."""

    @property
    def grid(self) -> Grid:
        """The grid that the tensors live on."""

    def gradient(self, u: math.Tensor, axis: str) -> math.Tensor:
        """First derivative ∂u/∂axis."""

    def derivative(self, u: math.Tensor, axis: str, order: int) -> math.Tensor:
        """Derivative ∂ⁿu/∂axisⁿ, n = 1 … 4."""

    def laplacian(self, u: math.Tensor) -> math.Tensor:
        """∇²u."""

    def biharmonic(self, u: math.Tensor) -> math.Tensor:
        """∇⁴u = ∇²∇²u."""

    def diffuse(self, diffusivity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """∇·(κ∇u) with κ a number or a field."""

    def advect(self, velocity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """(velocity·∇)u, velocity uniform or a vector field."""

    def divergence(self, v: math.Tensor) -> math.Tensor:
        """∇·v."""

    def solenoidal(self, v: math.Tensor) -> math.Tensor:
        """The vector field less a gradient, so that its divergence is zero."""

    def at_velocity(self, v: math.Tensor) -> math.Tensor:
        """A vector field given at the points of scalars, where the velocity's components stand."""

    def hold(self, rate: math.Tensor, slopes: Mapping[str, math.Tensor]) -> math.Tensor:
        """The rate, with that of points that the boundary prescribes: 0, or the value's slope."""

    def with_boundary(self, values: Mapping[str, math.Tensor]) -> "Operators":
        """The operators with the fixed values of ``boundary.<axis>.<side>`` among ``values``."""

    def eigenvalue(self, order: int) -> float:
        """Largest |eigenvalue| of the derivative of that order, times the spacing to that power."""
