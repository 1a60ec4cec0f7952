"""Interface of the differential operators for the right-hand sides of equations.

Tensors are PhiML's: any batch and channel dimensions, vectors with the dimension ``vector``,
spatial dimensions x, y, z.
"""

from collections.abc import Mapping
from typing import Protocol

from phiml import math

from hybrid_pde.domain.grid import Grid


class Operators(Protocol):
    """Spatial derivatives on one grid with its boundary conditions."""

    @property
    def grid(self) -> Grid:
        """The grid of all tensors."""

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
        """Projection of ``v`` onto divergence-free fields, v − ∇p with ∇²p = ∇·v."""

    def inverse_laplacian(self, u: math.Tensor) -> math.Tensor:
        """The solution p of ∇²p = u − mean(u) with mean 0, on a periodic box."""

    def at_velocity(self, v: math.Tensor) -> math.Tensor:
        """A vector field at scalar points, interpolated to the points of velocity components."""

    def hold(self, rate: math.Tensor, slopes: Mapping[str, math.Tensor]) -> math.Tensor:
        """Replace the rate of prescribed boundary points by 0 or by the rate in ``slopes``."""

    def with_boundary(self, values: Mapping[str, math.Tensor]) -> "Operators":
        """The operators with the prescribed values ``boundary.<axis>.<side>`` of ``values``."""

    def eigenvalue(self, order: int) -> float:
        """Largest |λ| dxⁿ of the derivative of order n."""
