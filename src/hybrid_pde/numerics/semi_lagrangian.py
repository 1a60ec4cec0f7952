"""Semi-Lagrangian and MacCormack advection with PhiFlow, split from the other terms.

The new value at a point x is u(x − v dt), interpolated linearly between the grid points around the
departure point. The step is unconditionally stable, and each interpolation adds numerical diffusion
(:func:`numerical_diffusivity`).

Tensors have named dimensions: any batch and channel dimensions, spatial ones x, y, z.

Sources: Staniforth and Côté (1991), Monthly Weather Review 119, 2206-2223; Selle, Fedkiw, Kim, Liu
and Rossignac (2008), Journal of Scientific Computing 35, 350-371 (MacCormack correction).
"""

import warnings
from collections.abc import Callable, Mapping, Sequence

import torch
from phi.torch.flow import (
    Box,
    CenteredGrid,
    Field,
    advect,
    batch,
    channel,
    extrapolation,
    math,
    spatial,
)

from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, Grid, Side
from hybrid_pde.numerics.finite_difference import FiniteDifference
from hybrid_pde.numerics.ghost_points import extend, mirror_rule, rules_of
from hybrid_pde.numerics.stencils import GhostRule

# PhiFlow functions by scheme name.
METHODS = {"semi_lagrangian": advect.semi_lagrangian, "mac_cormack": advect.mac_cormack}
# Dimension name for the components of a transported vector; ``vector`` is reserved for positions.
_TRANSPORTED = "transported"
# PhiML 1.16 interpolates with torch's grid_sample, which supports 2D and 3D only: a 1D grid is
# repeated this many times along a second axis.
_LINES = 2


class SplitAdvection(FiniteDifference):
    """Second-order differences for all terms except advection, which is a separate step.

    :meth:`advect` contributes zero to the rate; :meth:`transport` moves the fields instead. The
    differences match PhiFlow's explicit diffusion, so data generated with PhiFlow can be fitted.

    Args:
        grid: Grid of every field.
        method: ``semi_lagrangian`` or ``mac_cormack``.
        boundary_values: Prescribed values that replace the grid's, by ``boundary.<axis>.<side>``.

    Attributes:
        has_forward_mode: False; torch's interpolation supports reverse-mode derivatives only.
    """

    has_forward_mode = False

    def __init__(
        self, grid: Grid, method: str, boundary_values: Mapping[str, math.Tensor] | None = None
    ) -> None:
        assert method in METHODS, f"method {method!r}, not one of {tuple(METHODS)}"
        super().__init__(grid, 2, boundary_values)
        self.method = method

    def advect(self, velocity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """Zero; :meth:`transport` does the advection."""
        return math.zeros_like(u)

    def eigenvalue(self, order: int) -> float:
        """Largest |λ| dxⁿ of the derivative of order n; 0 for n = 1, advection limits no step."""
        return 0.0 if order == 1 else super().eigenvalue(order)

    def transport(
        self, state: Mapping[str, math.Tensor], velocity: math.Tensor, dt: math.Tensor
    ) -> dict[str, math.Tensor]:
        """Solve ∂u/∂t + (velocity·∇)u = 0 over a time ``dt`` with a fixed velocity.

        Fluid from beyond a wall has the value at the wall; points on a wall with a prescribed value
        keep it. Where the velocity is not finite, the result is NaN.

        Args:
            state: Fields by name.
            velocity: Vector with a component of the dimension ``vector`` for each axis, uniform or
                a field; a scalar field is the component along every axis.
            dt: Time step [time].
        """
        axes = self.grid.axes
        if "vector" not in velocity.shape:
            if not velocity.shape.spatial and len(axes) > 1:
                return dict(state)  # an equation without advection
            velocity = math.expand(velocity, channel(vector=axes))
        known = math.all(math.is_finite(velocity), "vector")
        moved = {}
        for name, u in state.items():
            transported = math.where(known, self._transport_field(u, velocity, dt), float("nan"))
            moved[name] = u + self.hold(transported - u, {})
        return moved

    def _transport_field(
        self, u: math.Tensor, velocity: math.Tensor, dt: math.Tensor
    ) -> math.Tensor:
        """One PhiFlow step on a grid extended by ghost points at its ends."""
        values = math.rename_dims(u, "vector", channel(_TRANSPORTED))
        everywhere = batch(u) & spatial(u)
        speeds = {axis: math.expand(velocity.vector[axis], everywhere) for axis in self.grid.axes}
        for axis in self.grid.axes:
            values = self._extended(values, axis, self._rules(axis, mirror_rule))
            speeds = {
                key: extend(v, axis, self._rules(axis, _constant_rule)) for key, v in speeds.items()
            }
        if self._across:
            lines = spatial(**{self._across: _LINES})
            values = math.expand(values, lines)
            speeds = {key: math.expand(speed, lines) for key, speed in speeds.items()}
            speeds[self._across] = math.zeros_like(next(iter(speeds.values())))
        speed = math.stack(dict(sorted(speeds.items())), channel("vector"))
        with warnings.catch_warnings():
            # The MacCormack step calls a deprecated PhiFlow function.
            warnings.simplefilter("ignore", DeprecationWarning)
            moved = METHODS[self.method](
                self._phiflow_grid(values),
                self._phiflow_grid(speed),
                dt,
                integrator=self._advance_points,
            ).values
        inner: dict[str, slice | int] = {}
        for axis, n in zip(self.grid.axes, self.grid.shape, strict=True):
            first = self._num_ghosts(axis)[0]
            inner[axis] = slice(first, first + n)
        moved = moved[{**inner, self._across: 0} if self._across else inner]
        return (
            math.rename_dims(moved, _TRANSPORTED, u.shape["vector"])
            if "vector" in u.shape
            else moved
        )

    def _advance_points(
        self, data: Field, velocity: Field, dt: math.Tensor, v0: math.Tensor | None = None
    ) -> math.Tensor:
        """Positions of the points of ``data`` after ``dt``; a PhiFlow integrator.

        Positions are clipped to the domain and NaN is replaced: in a recorded step an index out of
        range is a segmentation fault.
        """
        speed = velocity.values if v0 is None else v0
        positions = {}
        for axis in data.points.vector.item_names:
            start = data.points.vector[axis]
            position = start + speed.vector[axis] * dt
            position = math.where(math.is_finite(position), position, start)
            if axis == self._across:
                positions[axis] = start
                continue
            index = self.grid.axes.index(axis)
            lower, upper = self.grid.lower[index], self.grid.upper[index]
            if self._is_periodic(axis):
                positions[axis] = lower + (position - lower) % (upper - lower)
            else:
                # A ghost point at rest keeps its position outside the domain.
                first, last = math.minimum(start, lower), math.maximum(start, upper)
                positions[axis] = math.clip(position, first, last)
        return math.stack(positions, channel("vector"))

    def _phiflow_grid(self, values: math.Tensor) -> Field:
        """A PhiFlow grid with the ghost points as cells; no value beyond them is used."""
        sides = {}
        for axis, low, high in zip(self.grid.axes, self.grid.lower, self.grid.upper, strict=True):
            half = 0.5 * self.grid.nodes_on_boundary[self.grid.axes.index(axis)]
            before, behind = (self.spacing[axis] * (n + half) for n in self._num_ghosts(axis))
            sides[axis] = (low - before, high + behind)
        if self._across:
            sides[self._across] = (0.0, float(_LINES))
        native = torch.as_tensor(values.native(values.shape))
        # Torch's interpolation supports this extrapolation directly. PhiML 1.16 wraps a periodic
        # axis next to a walled one by n + 2 points instead of n.
        box = Box(**dict(sorted(sides.items())))
        return CenteredGrid(
            math.reshaped_tensor(native, values.shape), extrapolation.ZERO_GRADIENT, box
        )

    def _num_ghosts(self, axis: str) -> tuple[int, int]:
        """Number of ghost points at the (lower, upper) end of an axis."""
        index = self.grid.axes.index(axis)
        on_wall = self.grid.nodes_on_boundary[index]
        lower, upper = (_num_ghosts(side, on_wall) for side in self.grid.boundary[index])
        return lower, upper

    @property
    def _across(self) -> str | None:
        """The axis added to a 1D grid."""
        if len(self.grid.axes) > 1:
            return None
        return "x" if self.grid.axes == ("y",) else "y"

    def _is_periodic(self, axis: str) -> bool:
        return PERIODIC in self.grid.boundary[self.grid.axes.index(axis)]

    def _rules(
        self, axis: str, rule: Callable[[Side, bool, int], GhostRule]
    ) -> Sequence[GhostRule] | int:
        def choose(side: Side, on_wall: bool) -> GhostRule:
            return rule(side, on_wall, _num_ghosts(side, on_wall))

        return rules_of(self.grid, axis, choose, 1)


def numerical_diffusivity(speeds: Sequence[float], spacing: Sequence[float], dt: float) -> float:
    """Largest numerical diffusivity of a semi-Lagrangian step [length²/time].

    Linear interpolation at the fraction c between two points has the weights 1 − c and c. It
    spreads the field by the variance c (1 − c) dx² per step, like diffusion with
    D = c (1 − c) dx² / (2 dt): zero for displacements by whole spacings, dx² / (8 dt) halfway
    between. More steps diffuse more.

    Args:
        speeds: Largest |velocity| along each axis [length/time]; slower flow is assumed to occur.
        spacing: Distance between neighbouring points along each axis [length].
        dt: Time step [time].
    """
    diffusivities = []
    for speed, dx in zip(speeds, spacing, strict=True):
        share = min(abs(speed) * dt / dx, 0.5)
        diffusivities.append(share * (1 - share) * dx**2 / (2 * dt))
    return max(diffusivities)


def _num_ghosts(side: Side, on_wall: bool) -> int:
    # A point on the wall, or the nearest one at zero slope, has the value at the wall.
    return 0 if side == ZERO_GRADIENT or (on_wall and side != PERIODIC) else 1


def _constant_rule(side: Side, on_wall: bool, width: int) -> GhostRule:
    """Ghost points with the velocity of the point next to the wall, for any wall condition."""
    return mirror_rule(ZERO_GRADIENT, on_wall, width)
