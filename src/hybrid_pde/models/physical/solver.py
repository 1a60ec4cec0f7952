"""Solves an equation frame by frame, with as many steps as stability demands.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from phi.torch.flow import math

from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError, DivergenceError
from hybrid_pde.models.physical.coefficients import Coefficients, Equation, Natives
from hybrid_pde.models.physical.field_roles import match_roles, role_layouts
from hybrid_pde.models.physical.grid_transfer import Placement
from hybrid_pde.models.physical.stepper import Stepper
from hybrid_pde.numerics.stability import (
    Bounds,
    chebyshev_steps,
    count_substeps,
    largest_stable_dt,
    widest,
)

if TYPE_CHECKING:
    from hybrid_pde.models.physical.physical_model import PhysicalModel

# More steps than this between two frames mean that the state or a parameter has run away: a rollout
# that goes on would look as if it hung.
MAX_SUBSTEPS = 10_000


@dataclass(frozen=True)
class Conditions:
    """What differs from simulation to simulation; it takes precedence over shared parameters.

    Names are those of parameters, or ``boundary.<axis>.<lower|upper>`` for a fixed value.

    Attributes:
        constant: ``[B, …]`` by name, … as in a parameter: nothing, an axis each, or a field.
        series: ``[B, steps + 1, …]`` by name: the values at the start and at every frame, linear in
            between.
    """

    constant: Natives = field(default_factory=dict)
    series: Natives = field(default_factory=dict)

    def during(self, frame: int, dt: float) -> tuple[Natives, Natives]:
        """Values at the beginning of a frame (counted from 0), and slopes of those that change."""
        values = {**self.constant, **{name: s[:, frame] for name, s in self.series.items()}}
        slopes = {name: (s[:, frame + 1] - s[:, frame]) / dt for name, s in self.series.items()}
        return values, slopes


@dataclass(frozen=True)
class Course:
    """What a rollout goes through: the grid, the times between frames, and what holds there."""

    grid: Grid
    intervals: Sequence[float]
    parameters: Mapping[str, torch.Tensor]
    conditions: Conditions
    entries: Sequence[str] | None


class Solver:
    """Rollouts of one model; its compiled steps are kept.

    Args:
        model: The equation with its hooks and its discretization.

    Attributes:
        substeps_used: Time steps in the last frame.
        stages_used: Stages of each, where they are Runge-Kutta-Chebyshev steps.
    """

    def __init__(self, model: "PhysicalModel") -> None:
        self._model = model
        self._steppers: dict[tuple[Any, ...], tuple[Stepper, Placement]] = {}
        self.substeps_used = 0
        self.stages_used: int | None = None

    def rollout(self, state: Mapping[str, torch.Tensor], course: Course) -> Iterator[Natives]:
        """Frame after frame ``[(B,) C, *space]`` by field name, none of which is kept.

        Raises:
            ConfigError: if the fields do not fit the equation, or the boundary not the scheme.
            DivergenceError: naming the simulation, the frame and the parameters.
        """
        grid, model = course.grid, self._model
        roles = match_roles(model.spec, list(state))
        stepper, placement = self._stepper(grid, tuple(roles))
        batched = next(iter(state.values())).ndim == len(grid.axes) + 2
        now = {}
        for role, name in roles.items():
            native = state[name] if batched else state[name].unsqueeze(0)
            layout = stepper.layouts[role]
            if native.shape[1:] != (layout.channels, *grid.shape):
                raise ConfigError(
                    f"data.fields: {name!r} has the shape {tuple(native.shape[1:])}, as {role} of "
                    f"{model.spec.name} it needs {(layout.channels, *grid.shape)}"
                )
            now[role] = native.to(stepper.dtype)
        shared = {n: self._placed(n, v, grid, placement) for n, v in course.parameters.items()}
        self._check_finite(now, shared, course.entries, 0)
        now = placement.enter(now)
        for frame, dt in enumerate(course.intervals):
            individual, slopes = course.conditions.during(frame, dt)
            coefficients = Coefficients(
                shared,
                {n: self._placed(n, v, grid, placement, 1) for n, v in individual.items()},
                {n: self._placed(n, v, grid, placement, 1) for n, v in slopes.items()},
            )
            substeps, stages = self._steps_of(stepper, now, coefficients, dt, frame + 1)
            now = stepper.advance(now, coefficients, dt, substeps, stages)
            self._check_finite(now, shared, course.entries, frame + 1)
            seen = placement.leave(now)
            yield {name: seen[role] if batched else seen[role][0] for role, name in roles.items()}

    def _stepper(self, grid: Grid, roles: tuple[str, ...]) -> tuple[Stepper, Placement]:
        model = self._model
        dtype = torch.float32 if model.precision == "single" else torch.float64
        key = (grid, roles, model.discretization, dtype)
        if key not in self._steppers:
            equation = Equation(
                model.spec, model.rate, model.bound_speed, model.constrain, model.linear_terms
            )
            layouts = {r: e for r, e in role_layouts(model.spec, grid).items() if r in roles}
            placement = Placement(grid, layouts, model.discretization)
            stepper = Stepper(equation, placement.grid, layouts, model.discretization, dtype)
            self._steppers[key] = (stepper, placement)
        return self._steppers[key]

    def _placed(
        self,
        name: str,
        value: torch.Tensor,
        grid: Grid,
        placement: Placement,
        leading: int = 0,
    ) -> torch.Tensor:
        """A parameter as the stepper takes it: one number for every axis, fields on its grid.

        Args:
            name: The parameter.
            value: Its value, after ``leading`` dimensions of simulations.
            grid: Grid of the data.
            placement: To the stepper's grid.
            leading: Number of dimensions before those of the value.
        """
        axes, own = len(grid.axes), value.shape[leading:]
        if own[-axes:] == grid.shape:
            return placement.enter_field(value)
        spec = self._model.spec.parameters.get(name)
        if spec is None or not spec.per_axis:
            return value
        if not own:
            return value.unsqueeze(-1).expand(*value.shape, axes)
        if own != (axes,):
            raise ConfigError(
                f"model.physical.pde_params.{name}: {value.tolist()}: the data have {axes} axes"
            )
        return value

    def _steps_of(
        self, stepper: Stepper, state: Natives, parameters: Coefficients, dt: float, frame: int
    ) -> tuple[int, int | None]:
        """How many steps a frame takes, and the stages of each where diffusion decides."""
        model = self._model
        factor = model.discretization.substeps_factor
        self.stages_used = None
        if model.numerics.substeps is not None and model.discretization.coarsen == 1:
            self.substeps_used = model.numerics.substeps * factor
            return self.substeps_used, None
        ends = [parameters, parameters.after(dt)] if parameters.slopes else [parameters]
        bounds = widest([self._bounds(stepper, state, at) for at in ends])
        limit = largest_stable_dt(bounds, stepper.grid.spacing, stepper.operators)
        substeps = count_substeps(dt, limit, bounds.reaction_rate)
        if substeps is None or substeps > MAX_SUBSTEPS:
            raise DivergenceError(
                f"{model.spec.name}: frame {frame} needs more than {MAX_SUBSTEPS} time steps to be "
                f"stable ({_describe(parameters.shared)}; largest stable step {limit:.3g}, dt "
                f"{dt:.3g})"
            )
        if model.discretization.is_second_order and bounds.is_dissipative:
            # Its error in time is like that in space, which a method of order four would waste.
            substeps, self.stages_used = chebyshev_steps(dt, limit, bounds.reaction_rate, substeps)
        self.substeps_used = substeps * factor
        return self.substeps_used, self.stages_used

    @torch.no_grad()
    def _bounds(self, stepper: Stepper, state: Natives, parameters: Coefficients) -> Bounds:
        model = self._model
        values = stepper.to_values({role: plain(native) for role, native in state.items()})
        shared = {name: plain(value) for name, value in parameters.shared.items()}
        individual = {name: plain(value) for name, value in parameters.individual.items()}
        wrapped = stepper.wrap(Coefficients(shared, individual))
        exact = model.discretization.scheme == "spectral"  # whatever the step
        speed = model.bound_speed(values, wrapped)
        linear: dict[int, float] = {}
        linear_terms = model.linear_terms(wrapped)
        for terms in linear_terms.values():
            for order, coefficient in terms.items():
                if exact and order == 1:
                    speed = speed + coefficient  # which is minus a velocity
                size = 0.0 if exact else _largest(coefficient)
                linear[order] = max(linear.get(order, 0.0), size)
        if any(2 not in linear_terms.get(role, {}) for role in state):
            diffusivities = map(_largest, model.bound_diffusivities(wrapped))
            linear[2] = max(linear.get(2, 0.0), 0.0, *diffusivities)
        speeds = [_largest(_component(speed, axis)) for axis in stepper.grid.axes]
        if model.discretization.is_split:
            # Advection along characteristics is stable whatever the step; more than a cell a step
            # only makes it less accurate.
            speeds = [0.0] * len(speeds)
        return Bounds(
            tuple(speeds),
            {order: value for order, value in linear.items() if order >= 2},
            _largest(model.bound_reaction(values, wrapped)),
        )

    def _check_finite(
        self, state: Natives, parameters: Natives, entries: Sequence[str] | None, frame: int
    ) -> None:
        for role, native in state.items():
            finite = torch.isfinite(plain(native)).flatten(1).all(1)
            if not bool(finite.all()):
                first = int(torch.nonzero(~finite)[0])
                entry = f"simulation {first}" if entries is None else entries[first]
                what = f"diverged in frame {frame}" if frame else "is not finite at the start"
                raise DivergenceError(
                    f"{self._model.spec.name}: {entry} {what}: {role} is not finite "
                    f"({_describe(parameters)}; {self.substeps_used} time steps a frame)"
                )


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """The value alone, without forward or reverse derivatives."""
    return torch.autograd.forward_ad.unpack_dual(tensor).primal.detach()


def _component(speed: math.Tensor, axis: str) -> math.Tensor:
    return speed.vector[axis] if "vector" in speed.shape else speed


def _largest(value: math.Tensor) -> float:
    return float(math.max(math.abs(value), value.shape))


def _describe(parameters: Natives) -> str:
    shown = []
    for name, value in parameters.items():
        numbers = plain(value)
        if numbers.numel() > 8:
            text = f"{float(numbers.min()):g} … {float(numbers.max()):g}"
        else:
            text = str(numbers.tolist())
        shown.append(f"{name}={text}")
    return ", ".join(shown)
