"""PhiFlow's advection along characteristics, as a step of its own beside the other terms.

The value at a point is that which the velocity carries to it within the step, interpolated
between the points around the place it comes from. No step is too long to be stable, and each
smears the field (:func:`numerical_diffusivity`).

Tensors have named dimensions: any batch and channel dimensions, spatial ones x, y, z.

Sources: Staniforth and Côté (1991), Monthly Weather Review 119, 2206-2223; Selle, Fedkiw, Kim, Liu
and Rossignac (2008), Journal of Scientific Computing 35, 350-371 (MacCormack's correction).
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

# PhiFlow's function by the name of the scheme.
METHODS = {"semi_lagrangian": advect.semi_lagrangian, "mac_cormack": advect.mac_cormack}
# What the components of a carried vector are called: ``vector`` is that of positions.
_CARRIED = "carried"
# PhiML 1.16 interpolates with torch's grid_sample, which knows planes and volumes alone: a line
# becomes a plane of so many equal lines.
_LINES = 2


class SplitAdvection(FiniteDifference):
    """Second-order differences for all terms but advection, which is a step of its own.

    The rate of advection is zero; :meth:`transport` moves the fields instead. The differences
    are those of PhiFlow's own explicit diffusion, so that data made with it can be matched.

    Args:
        grid: Grid of every field.
        method: ``semi_lagrangian`` or ``mac_cormack``.
        boundary_values: Prescribed values that replace the grid's, by ``boundary.<axis>.<side>``.

    Attributes:
        has_forward_mode: Torch's interpolation has derivatives in reverse mode only.
    """

    has_forward_mode = False

    def __init__(
        self, grid: Grid, method: str, boundary_values: Mapping[str, math.Tensor] | None = None
    ) -> None:
        assert method in METHODS, f"method {method!r}, not one of {tuple(METHODS)}"
        super().__init__(grid, 2, boundary_values)
        self.method = method

    def advect(self, velocity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """Zero: :meth:`transport` advects."""
        return math.zeros_like(u)

    def eigenvalue(self, order: int) -> float:
        """As of the differences, but for advection, which limits no step: 0."""
        return 0.0 if order == 1 else super().eigenvalue(order)

    def transport(
        self, state: Mapping[str, math.Tensor], velocity: math.Tensor, dt: math.Tensor
    ) -> dict[str, math.Tensor]:
        """All fields after a time ``dt`` of ∂u/∂t + (velocity·∇)u = 0, the velocity held.

        Whatever comes from beyond a wall has the value at the wall; points on a wall with a
        prescribed value keep it. Where the velocity is not finite, neither is the result.

        Args:
            state: Fields by name.
            velocity: Vector with a component of the dimension ``vector`` for each axis, uniform or
                a field; a scalar field is the component along every axis.
            dt: Time step [time].
        """
        axes = self.grid.axes
        if "vector" not in velocity.shape:
            if not velocity.shape.spatial and len(axes) > 1:
                return dict(state)  # an equation without one: nothing is carried
            velocity = math.expand(velocity, channel(vector=axes))
        known = math.all(math.is_finite(velocity), "vector")
        moved = {}
        for name, u in state.items():
            carried = math.where(known, self._carry(u, velocity, dt), float("nan"))
            moved[name] = u + self.hold(carried - u, {})
        return moved

    def _carry(self, u: math.Tensor, velocity: math.Tensor, dt: math.Tensor) -> math.Tensor:
        """PhiFlow's step, on a grid with ghost points that hold what is beyond its ends."""
        values = math.rename_dims(u, "vector", channel(_CARRIED))
        everywhere = batch(u) & spatial(u)
        speeds = {axis: math.expand(velocity.vector[axis], everywhere) for axis in self.grid.axes}
        for axis in self.grid.axes:
            values = self._extended(values, axis, self._rules(axis, mirror_rule))
            speeds = {key: extend(v, axis, self._rules(axis, _level)) for key, v in speeds.items()}
        if self._across:
            lines = spatial(**{self._across: _LINES})
            values = math.expand(values, lines)
            speeds = {key: math.expand(speed, lines) for key, speed in speeds.items()}
            speeds[self._across] = math.zeros_like(next(iter(speeds.values())))
        speed = math.stack(dict(sorted(speeds.items())), channel("vector"))
        with warnings.catch_warnings():
            # MacCormack's step calls what PhiFlow means to remove.
            warnings.simplefilter("ignore", DeprecationWarning)
            moved = METHODS[self.method](
                self._phiflow_grid(values),
                self._phiflow_grid(speed),
                dt,
                integrator=self._come_from,
            ).values
        inner: dict[str, slice | int] = {}
        for axis, n in zip(self.grid.axes, self.grid.shape, strict=True):
            first = self._num_ghosts(axis)[0]
            inner[axis] = slice(first, first + n)
        moved = moved[{**inner, self._across: 0} if self._across else inner]
        return (
            math.rename_dims(moved, _CARRIED, u.shape["vector"]) if "vector" in u.shape else moved
        )

    def _come_from(
        self, data: Field, velocity: Field, dt: math.Tensor, v0: math.Tensor | None = None
    ) -> math.Tensor:
        """Where the points of ``data`` are after ``dt``, in PhiFlow's form of an integrator.

        Always in the domain: compiled, an index out of range ends the process, and that of a
        position that is no number is out of range.
        """
        speed = velocity.values if v0 is None else v0
        places = {}
        for axis in data.points.vector.item_names:
            start = data.points.vector[axis]
            place = start + speed.vector[axis] * dt
            place = math.where(math.is_finite(place), place, start)
            if axis == self._across:
                places[axis] = start
                continue
            index = self.grid.axes.index(axis)
            lower, upper = self.grid.lower[index], self.grid.upper[index]
            if self._is_periodic(axis):
                places[axis] = lower + (place - lower) % (upper - lower)
            else:
                # A ghost that does not move stays where it is.
                first, last = math.minimum(start, lower), math.maximum(start, upper)
                places[axis] = math.clip(place, first, last)
        return math.stack(places, channel("vector"))

    def _phiflow_grid(self, values: math.Tensor) -> Field:
        """Values with their ghosts as cells; beyond the outermost ones nothing is looked up."""
        sides = {}
        for axis, low, high in zip(self.grid.axes, self.grid.lower, self.grid.upper, strict=True):
            half = 0.5 * self.grid.nodes_on_boundary[self.grid.axes.index(axis)]
            before, behind = (self.spacing[axis] * (n + half) for n in self._num_ghosts(axis))
            sides[axis] = (low - before, high + behind)
        if self._across:
            sides[self._across] = (0.0, float(_LINES))
        # A compiled step asks only once how the memory of its arguments is laid out.
        native = torch.as_tensor(values.native(values.shape)).contiguous()
        # Torch's interpolation has this extrapolation itself. PhiML 1.16 wraps a periodic axis
        # beside one with walls by n + 2 points instead of n.
        box = Box(**dict(sorted(sides.items())))
        return CenteredGrid(
            math.reshaped_tensor(native, values.shape), extrapolation.ZERO_GRADIENT, box
        )

    def _num_ghosts(self, axis: str) -> tuple[int, int]:
        """How many points are added before and behind an axis."""
        index = self.grid.axes.index(axis)
        on_wall = self.grid.nodes_on_boundary[index]
        lower, upper = (_num_ghosts(side, on_wall) for side in self.grid.boundary[index])
        return lower, upper

    @property
    def _across(self) -> str | None:
        """The axis that is added to a line."""
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
    """Largest diffusivity that a semi-Lagrangian step amounts to [length²/time].

    A value from between two points, at the share c of their distance, is their mean with the
    weights 1 − c and c: a spread by the variance c (1 − c) dx² a step, as diffusion with
    D = c (1 − c) dx² / (2 dt) would do. It is zero for whole numbers of spacings and dx² / (8 dt)
    halfway between: *more steps diffuse more*.

    Args:
        speeds: Largest |velocity| along each axis; slower flow is taken to occur [length/time].
        spacing: Distance between neighbouring points along each axis [length].
        dt: Time step [time].
    """
    diffusivities = []
    for speed, dx in zip(speeds, spacing, strict=True):
        share = min(abs(speed) * dt / dx, 0.5)
        diffusivities.append(share * (1 - share) * dx**2 / (2 * dt))
    return max(diffusivities)


def _num_ghosts(side: Side, on_wall: bool) -> int:
    # A point on the wall, or the nearest one where the slope is zero, has the value at the wall.
    return 0 if side == ZERO_GRADIENT or (on_wall and side != PERIODIC) else 1


def _level(side: Side, on_wall: bool, width: int) -> GhostRule:
    """Ghosts with the velocity of the point before the wall, whatever is prescribed there."""
    return mirror_rule(ZERO_GRADIENT, on_wall, width)
