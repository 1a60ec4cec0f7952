"""Fourier spectral derivatives on a periodic box, exact for every resolved mode.

Tensors have named dimensions: any batch and channel dimensions, spatial ones x, y, z.

Source: Canuto, Hussaini, Quarteroni and Zang (2006), Spectral Methods, sections 2.1 and 3.2.
"""

from collections.abc import Mapping
from math import pi

import torch
from phi.torch.flow import math, spatial

from hybrid_pde.domain.grid import Grid
from hybrid_pde.numerics.fourier_transform import symbols, to_modes, to_values


class Spectral:
    """Differential operators as multipliers of Fourier modes.

    Products of two fields are dealiased by the 2/3 rule: both factors and the product are truncated
    to the lower two thirds of the wavenumbers.

    Args:
        grid: A grid that is periodic along every axis.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._constants = symbols(grid)

    @property
    def grid(self) -> Grid:
        """The grid of all tensors."""
        return self._grid

    def gradient(self, u: math.Tensor, axis: str) -> math.Tensor:
        """First derivative ∂u/∂axis, in units of ``u`` per length; same shape as ``u``."""
        return self.derivative(u, axis, 1)

    def derivative(self, u: math.Tensor, axis: str, order: int) -> math.Tensor:
        """Derivative ∂ⁿu/∂axisⁿ, n = 1 … 4; same shape as ``u``."""
        return self._multiply(u, self._power(axis, order))

    def laplacian(self, u: math.Tensor) -> math.Tensor:
        """Sum of second derivatives ∇²u, component by component; same shape as ``u``."""
        return self._multiply(u, self._laplacian())

    def biharmonic(self, u: math.Tensor) -> math.Tensor:
        """∇⁴u = ∇²∇²u, component by component; same shape as ``u``."""
        return self._multiply(u, self._laplacian() ** 2)

    def diffuse(self, diffusivity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """∇·(κ∇u).

        For a field κ, its mean acts on all modes and the deviation from the mean on the dealiased
        modes, so that all modes decay if κ > 0.

        Args:
            diffusivity: κ [length²/time], a number or a field.
            u: Scalar or vector.
        """
        diffusivity = math.wrap(diffusivity)
        if not diffusivity.shape.spatial:
            return diffusivity * self.laplacian(u)
        mean = math.mean(diffusivity, spatial)
        modes, deviation = self._modes(u), self._cut(diffusivity - mean)
        kept = modes * self._kept
        total = mean * (modes * self._laplacian())
        for axis in self._grid.axes:
            flux = deviation * self._values(kept * self._first(axis))
            total = total + self._modes(flux) * (self._kept * self._first(axis))
        return self._values(total)

    def advect(self, velocity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """Advective derivative (velocity·∇)u, dealiased where the velocity is a field.

        Of a velocity that advects itself, forms with fewer transforms are taken, which equal it
        because dealiased products are exact: ½ ∂u²/∂x, or ∇(u²/2) + (∇×u)×u along several axes.

        Args:
            velocity: Vector with a component of the dimension ``vector`` for each axis; uniform
                in space, or a field.
            u: Scalar or vector; a vector is advected component by component.
        """
        if not velocity.shape.spatial:
            return self._multiply(u, self._along(velocity))
        kept = self._modes(u) * self._kept
        if velocity is u and u.shape.get_size("vector") == len(self._grid.axes):
            return self._advect_itself(kept)
        advecting = self._values(kept) if velocity is u else self._cut(velocity)
        return self._cut(
            sum(
                advecting.vector[axis] * self._values(kept * self._first(axis))
                for axis in self._grid.axes
            )
        )

    def divergence(self, v: math.Tensor) -> math.Tensor:
        """∇·v of a vector field: the sum of ∂v_i/∂x_i, a scalar."""
        return self._values(self._along(self._modes(v)))

    def inverse_laplacian(self, u: math.Tensor) -> math.Tensor:
        """The solution p of ∇²p = u − mean(u) with mean 0, component by component."""
        return self._multiply(u, math.safe_div(1.0, self._laplacian()))

    def at_velocity(self, v: math.Tensor) -> math.Tensor:
        """The vector field itself: all components are located at the grid points."""
        return v

    def solenoidal(self, v: math.Tensor) -> math.Tensor:
        """Projection of ``v`` onto divergence-free fields, v − ∇p with ∇²p = ∇·v."""
        from hybrid_pde.numerics.projection import project

        return project(v, self._grid)

    def hold(self, rate: math.Tensor, slopes: Mapping[str, math.Tensor]) -> math.Tensor:
        """The unchanged rate: a periodic box has no prescribed points."""
        return rate

    def with_boundary(self, values: Mapping[str, math.Tensor]) -> "Spectral":
        """These operators: a periodic box has no boundary values."""
        return self

    def eigenvalue(self, order: int) -> float:
        """Largest |λ| dxⁿ of the derivative of order n: πⁿ."""
        return pi**order

    def symbol(self, order: int, coefficient: math.Tensor) -> math.Tensor:
        """Fourier symbol of a term with a constant coefficient [1/time].

        Args:
            order: 0 for u itself, 1 for v·∇u, 2 for ∇²u, 3 for Σ ∂³u/∂x_i³, 4 for ∇⁴u.
            coefficient: Factor of the term [length^order/time], uniform in space; for order 1 the
                vector v.

        Returns:
            Tensor over the wavenumbers; complex for odd orders.
        """
        if order == 0:
            return coefficient * (1.0 + 0.0 * self._kept)
        if order == 1:
            return self._along(coefficient)
        if order == 3:
            return coefficient * sum(self._power(axis, 3) for axis in self._grid.axes)
        return coefficient * self._laplacian() ** (order // 2)

    def _advect_itself(self, kept: math.Tensor) -> math.Tensor:
        """(u·∇)u of a vector with the given modes below two thirds of the largest wavenumbers."""
        axes, others = self._grid.axes, kept.shape.non_spatial - "vector"
        component = -len(axes) - 1  # dimension of vectors
        first = torch.as_tensor(math.to_complex(self._constants["first"]).native(["vector", *axes]))
        modes = kept.native([*others, "vector", *axes])
        if len(axes) == 1:
            u = self._inverse(modes)
            rate = self._transform(u * u) * (0.5 * first)
        else:
            # One transform of all components: one of a single field along several axes is slow.
            curl = _curl(first, modes, component)
            values = self._inverse(torch.cat([modes, curl], component))
            u = values.narrow(component, 0, len(axes))
            curl = values.narrow(component, len(axes), curl.shape[component])
            square = (u * u).sum(component, keepdim=True)
            both = self._transform(torch.cat([square, _cross(curl, u, component)], component))
            rate = both.narrow(component, 0, 1) * (0.5 * first)
            rate = rate + both.narrow(component, 1, len(axes))
        dims = [*others, kept.shape.only("vector"), *(spatial(axis) for axis in axes)]
        return self._values(math.reshaped_tensor(rate, dims) * self._kept)

    def _transform(self, values: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfftn(values, dim=tuple(range(-len(self._grid.axes), 0)))

    def _inverse(self, modes: torch.Tensor) -> torch.Tensor:
        return torch.fft.irfftn(modes, self._grid.shape, tuple(range(-len(self._grid.axes), 0)))

    @property
    def _kept(self) -> math.Tensor:
        return math.to_float(self._constants["kept"])

    def _first(self, axis: str) -> math.Tensor:
        return math.to_complex(self._constants["first"].vector[axis])

    def _power(self, axis: str, order: int) -> math.Tensor:
        second = math.to_float(self._constants["second"].vector[axis])
        even = second ** (order // 2)
        return even * self._first(axis) if order % 2 else even

    def _laplacian(self) -> math.Tensor:
        return math.sum(math.to_float(self._constants["second"]), "vector")

    def _along(self, v: math.Tensor) -> math.Tensor:
        return sum(v.vector[axis] * self._first(axis) for axis in self._grid.axes)

    def _multiply(self, u: math.Tensor, symbol: math.Tensor) -> math.Tensor:
        return self._values(self._modes(u) * symbol)

    def _cut(self, u: math.Tensor) -> math.Tensor:
        return self._multiply(u, self._kept)

    def _modes(self, u: math.Tensor) -> math.Tensor:
        sizes = dict(zip(self._grid.axes, self._grid.shape, strict=True))
        return to_modes(math.expand(u, spatial(**sizes)))

    def _values(self, modes: math.Tensor) -> math.Tensor:
        return to_values(modes, dict(zip(self._grid.axes, self._grid.shape, strict=True)))


def _curl(first: torch.Tensor, modes: torch.Tensor, component: int) -> torch.Tensor:
    """Modes of ∇×u ``[…, 3, *modes]``, or ``[…, 1, *modes]`` across the plane of two axes.

    Args:
        first: Symbols of the first derivatives ``[axes, *modes]``.
        modes: Modes of u ``[…, axes, *modes]``.
        component: The dimension of vectors.
    """
    pairs = [(0, 1)] if len(first) == 2 else [(1, 2), (2, 0), (0, 1)]
    curl = [
        first[i] * modes.select(component, j) - first[j] * modes.select(component, i)
        for i, j in pairs
    ]
    return torch.stack(curl, component) if len(curl) > 1 else curl[0].unsqueeze(component)


def _cross(curl: torch.Tensor, u: torch.Tensor, component: int) -> torch.Tensor:
    """(∇×u)×u of a vector with two or three components, and ∇×u as of :func:`_curl`."""
    if u.shape[component] == 3:
        return torch.linalg.cross(curl, u, dim=component)
    turned = torch.stack([-u.select(component, 1), u.select(component, 0)], component)
    return curl * turned
