"""Projection of a collocated velocity onto divergence-free fields, by a direct solve.

Tensors have named dimensions: any batch dimensions, ``vector`` with a component for each axis,
spatial ones x, y, z.

Iterative pressure solvers such as PhiFlow's ``make_incompressible`` (conjugate gradients) have no
forward-mode derivative, which calibration needs, and are many times as expensive. On a box the
operators are tensor products of one-dimensional operators, whose eigenvectors are computed once.

Sources: Canuto, Hussaini, Quarteroni and Zang (2006), Spectral Methods, section 3.4 (periodic box);
:mod:`hybrid_pde.numerics.corner_operators` (box with walls).
"""

from collections.abc import Mapping
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from phi.torch.flow import batch, channel, math, spatial

from hybrid_pde.domain.grid import Grid
from hybrid_pde.numerics.corner_operators import LineOperators, line_operators
from hybrid_pde.numerics.fourier_transform import symbols, to_modes, to_values


def project(
    v: math.Tensor, grid: Grid, wall_values: Mapping[str, math.Tensor] | None = None
) -> math.Tensor:
    """Projection v − ∇p with ∇²p = ∇·v, which has zero divergence.

    If every axis is periodic, the projection is exact for every resolved mode and preserves the
    mean. Otherwise it is the orthogonal projection onto fields whose discrete divergence vanishes
    at the corners between the points. That divergence uses central differences and means across
    axes with walls, spectral derivatives along periodic axes, and is of order 2 up to the walls. At
    a wall the normal gradient of p cancels the flow through it; p = 0 at a zero-gradient side,
    where fluid may leave (points on such a side: order 1). A velocity that alternates from point to
    point along two axes with walls has zero discrete divergence; only viscosity damps it.

    Linear, and differentiable in forward and reverse mode.

    Args:
        v: Velocity, or its rate of change, with one component per axis.
        grid: Grid of ``v``.
        wall_values: Values of ``v`` at sides with a fixed value, by ``boundary.<axis>.<side>``: a
            number or one per component, uniform or varying along the side. The default 0 is right
            for the rate of change at a wall with a constant value. Points on the side are set to
            it.

    Returns:
        A field of the shape of ``v``.
    """
    if grid.is_periodic:
        return _project_periodic(v, grid)
    return _box_projection(grid).apply(v, wall_values or {})


def _project_periodic(v: math.Tensor, grid: Grid) -> math.Tensor:
    first, gradient_of_inverse = map(math.to_complex, _fourier_constants(grid))
    modes = to_modes(v)
    divergence = math.sum(first * modes, "vector")
    gradient = gradient_of_inverse * divergence
    return v - to_values(gradient, dict(zip(grid.axes, grid.shape, strict=True)))


@lru_cache(maxsize=32)
def _fourier_constants(grid: Grid) -> tuple[math.Tensor, math.Tensor]:
    """Fourier symbols of ∇ and ∇∇⁻²; the latter is 0 for divergence-free modes such as the mean."""
    with math.precision(64):  # independent of the precision at the first call
        first = symbols(grid)["first"]
        square = math.real(math.sum(first * first, "vector"))
        return first, first * math.safe_div(1.0, square)


class _BoxProjection:
    """P = I − W Dᵀ (D W Dᵀ)⁺ D with the divergence D = Σ_i difference_i ⊗ mean_j≠i.

    D W Dᵀ = Σ_i K_i ⊗ M_j≠i is diagonal in the products of the axes' eigenvectors.
    """

    def __init__(self, grid: Grid) -> None:
        self._axes = grid.axes
        self._lines = {
            axis: line_operators(grid, position) for position, axis in enumerate(grid.axes)
        }
        self._modal, self._back, symbols = {}, {}, {}
        for axis, line in self._lines.items():
            vectors, stiffness, mass = line.modes()
            outside = {side: vectors.T @ column for side, column in line.outside.items()}
            self._modal[axis] = LineOperators(
                vectors.T @ line.difference, vectors.T @ line.mean, outside, line.held, line.weight
            )
            self._back[axis] = tuple(
                (matrix * line.weight).T @ vectors for matrix in (line.difference, line.mean)
            )
            symbols[axis] = (stiffness, mass)
        eigenvalues = sum(
            reduce(np.multiply.outer, [symbols[axis][axis != normal] for axis in grid.axes])
            for normal in grid.axes
        )
        with math.precision(64):
            # 0 for divergence-free modes
            self._inverse = math.safe_div(1.0, math.wrap(eigenvalues, spatial(",".join(grid.axes))))

    def apply(self, v: math.Tensor, wall_values: Mapping[str, math.Tensor]) -> math.Tensor:
        """Pv; affine in the values at the walls."""
        v = self._with_walls(v, wall_values)
        divergence = self._divergence(v, wall_values)
        pressure = divergence * math.to_float(self._inverse)
        gradient = []
        for normal in self._axes:
            component = pressure
            for axis in self._axes:
                matrix = self._back[axis][0 if axis == normal else 1]
                component = multiply_along(matrix, component, axis)
            gradient.append(component)
        return v - math.stack(gradient, channel(vector=",".join(self._axes)))

    def _divergence(self, v: math.Tensor, wall_values: Mapping[str, math.Tensor]) -> math.Tensor:
        """Modes of the divergence at the corners."""
        total: Any = 0.0
        for normal in self._axes:
            component = multiply_along(self._modal[normal].difference, v.vector[normal], normal)
            for side, column in self._modal[normal].outside.items():
                key = f"boundary.{normal}.{side}"
                if key in wall_values:
                    value = _component(wall_values[key], normal)
                    component = component + math.wrap(column, spatial(normal)) * value
            for axis in self._axes:
                if axis != normal:
                    component = multiply_along(self._modal[axis].mean, component, axis)
            total = total + component
        return total

    def _with_walls(self, v: math.Tensor, wall_values: Mapping[str, math.Tensor]) -> math.Tensor:
        for axis, line in self._lines.items():
            for side, held in line.held.items():
                here = math.wrap(held, spatial(axis))
                v = math.where(here, wall_values.get(f"boundary.{axis}.{side}", 0.0), v)
        return v


@lru_cache(maxsize=32)
def _box_projection(grid: Grid) -> _BoxProjection:
    return _BoxProjection(grid)


def _component(value: Any, axis: str) -> Any:
    has_components = isinstance(value, math.Tensor) and "vector" in value.shape
    return value.vector[axis] if has_components else value


def multiply_along(matrix: np.ndarray, u: math.Tensor, axis: str) -> math.Tensor:
    """The product of a matrix and the values along an axis."""
    product = math.dot(math.wrap(matrix, batch("row") & batch("column")), "column", u, axis)
    return math.rename_dims(product, "row", spatial(axis))
