"""Solves an equation frame by frame, with as many steps as stability demands.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import isfinite
from typing import Any

import torch

from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError, DivergenceError
from hybrid_pde.models.physical.coefficients import Coefficients, Directions, Natives, plain
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.models.physical.equation import Equation
from hybrid_pde.models.physical.field_roles import match_roles, role_layouts
from hybrid_pde.models.physical.grid_transfer import GridTransfer
from hybrid_pde.models.physical.interval import (
    MAX_SUBSTEPS,
    Frames,
    Interval,
    IntervalCache,
    StepCount,
)
from hybrid_pde.models.physical.stepper import Stepper
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.numerics.stability import Bounds
from hybrid_pde.numerics.workload import Workload
from hybrid_pde.result_warnings import warn_of_result


@dataclass(frozen=True)
class RolloutSpec:
    """Settings of a rollout.

    Attributes:
        grid: Grid of the data.
        intervals: Time between each two frames [time].
        parameters: Shared parameters of the equation by name.
        conditions: Values of each simulation.
        entries: Names of the simulations in error messages; by default ``simulation 0``, ….
        discretization: The scheme.
        dtype: Precision of the state.
        fixed_substeps: Time steps in each frame; ``None``: as many as stability demands.
        directions: Directions of forward-mode derivatives, if there are several.
        workload: The work to come, which decides whether time steps are compiled.
    """

    grid: Grid
    intervals: Sequence[float]
    parameters: Mapping[str, torch.Tensor]
    conditions: Conditions
    entries: Sequence[str] | None
    discretization: Discretization
    dtype: torch.dtype
    fixed_substeps: int | None
    directions: Directions = field(default_factory=Directions)
    workload: Workload = field(default_factory=Workload)


class Solver:
    """Rollouts of one equation; keeps the graphs of its steps.

    Args:
        equation: The equation.

    Attributes:
        substeps_used: Time steps in the last frame.
        stages_used: Stages of each step, where they are Runge-Kutta-Chebyshev steps.
        has_compiled_steps: Whether the time steps of some frame were compiled.
    """

    def __init__(self, equation: Equation) -> None:
        self._equation = equation
        self._steppers: dict[tuple[Any, ...], tuple[Stepper, GridTransfer]] = {}
        self._intervals = IntervalCache()
        self.substeps_used = 0
        self.stages_used: int | None = None
        self.has_compiled_steps = False
        self._warned = False

    def rollout(self, state: Mapping[str, torch.Tensor], spec: RolloutSpec) -> Iterator[Natives]:
        """Yields the frames ``[(B,) C, *space]`` by field name, without keeping them.

        Raises:
            ConfigError: if the fields do not fit the equation, or the boundary not the scheme.
            DivergenceError: naming the simulation, the frame and the parameters.
        """
        grid, equation = spec.grid, self._equation.spec
        roles = match_roles(equation, list(state))
        stepper, transfer = self._stepper(spec, tuple(roles))
        batched = next(iter(state.values())).ndim == len(grid.axes) + 2
        now = {}
        for role, name in roles.items():
            native = state[name] if batched else state[name].unsqueeze(0)
            layout = stepper.layouts[role]
            if native.shape[1:] != (layout.channels, *grid.shape):
                raise ConfigError(
                    f"data.fields: {name!r} has the shape {tuple(native.shape[1:])}, as {role} of "
                    f"{equation.name} it needs {(layout.channels, *grid.shape)}"
                )
            now[role] = native.to(stepper.dtype)
        shared = {n: self._on_solver_grid(n, v, grid, transfer) for n, v in spec.parameters.items()}
        tangents = spec.directions.shared.items()
        slopes_of = {n: self._on_solver_grid(n, v, grid, transfer, 1) for n, v in tangents}
        directions = Directions(spec.directions.count, slopes_of)
        first = {name: values[:, 0] for name, values in spec.conditions.series.items()}
        given = Coefficients(shared, {**spec.conditions.constant, **first})
        self.stages_used = None
        self._check_finite(now, given, spec.entries, 0)
        now = transfer.to_solver(now)
        state, frame = stepper.transform(now), 0
        for dt, length in _equal_intervals(spec):
            individual, slopes = (
                {n: self._on_solver_grid(n, v, grid, transfer, 1) for n, v in each.items()}
                for each in spec.conditions.during(frame, dt)
            )
            parameters = Coefficients(shared, individual, slopes, directions=directions)
            during = self._intervals.get(stepper, (parameters, dt, spec.workload), now)
            during.check_supported(now)
            numbers = range(frame, frame + length)
            for each in self._frames(during, (state, now), numbers, spec):
                state, now = each
                seen = transfer.to_data(now)
                yield {n: seen[role] if batched else seen[role][0] for role, n in roles.items()}
            frame += length

    def _frames(
        self,
        during: Interval,
        before: tuple[Natives, Natives],
        numbers: range,
        spec: RolloutSpec,
    ) -> Iterator[tuple[Natives, Natives]]:
        """Yields the states and values of frames with the same parameters.

        Frames are computed and measured in blocks, with the steps that the frame before the block
        needs. Those after a frame that needs another number of steps are computed again.

        Args:
            during: The interval.
            before: State and values before.
            numbers: Numbers of the frames, counted from 0.
            spec: Settings of the rollout.
        """
        frame, end = numbers.start, numbers.stop
        state, values = before
        length = most = during.most_ahead(values)
        fixed = spec.fixed_substeps if spec.discretization.coarsen == 1 else None
        if fixed is not None:
            count = StepCount(fixed * spec.discretization.substeps_factor)
        else:
            (bounds,), _ = during.measure(Frames([state], [values]))
            count = self._count_steps(during, bounds, frame + 1)
        while frame < end:
            block = during.advance(state, frame, min(length, end - frame), count)
            self.has_compiled_steps |= during.has_compiled_steps
            length = min(2 * length, most)
            needs_bounds = fixed is None and frame + 1 < end
            measured, finite = during.measure(block, needs_bounds)
            is_right = all(finite) and needs_bounds and during.is_right(count, measured)
            for number, (state, values) in enumerate(zip(block.states, block.values, strict=True)):
                frame += 1
                self.substeps_used, self.stages_used = count.substeps, count.stages
                if not finite[number]:
                    self._check_finite(values, during.parameters, spec.entries, frame)
                yield state, values
                if needs_bounds and not is_right and frame < end:
                    needed = self._count_steps(during, measured[number], frame + 1)
                    if needed != count:
                        count, length = needed, 1
                        break

    def _stepper(self, spec: RolloutSpec, roles: tuple[str, ...]) -> tuple[Stepper, GridTransfer]:
        grid, discretization = spec.grid, spec.discretization
        key = (grid, roles, discretization, spec.dtype)
        if key not in self._steppers:
            equation = self._equation
            layouts = {r: e for r, e in role_layouts(equation.spec, grid).items() if r in roles}
            transfer = GridTransfer(grid, layouts, discretization)
            stepper = Stepper(equation, transfer.grid, layouts, discretization, spec.dtype)
            self._steppers[key] = (stepper, transfer)
        return self._steppers[key]

    def _on_solver_grid(
        self,
        name: str,
        value: torch.Tensor,
        grid: Grid,
        transfer: GridTransfer,
        leading: int = 0,
    ) -> torch.Tensor:
        """A parameter as the stepper takes it: with a number for each axis, fields on its grid.

        Args:
            name: Name of the parameter.
            value: Its value, after ``leading`` dimensions of simulations; a field on the grid of
                the data, or on that of the stepper.
            grid: Grid of the data.
            transfer: Transfer to the grid of the stepper.
            leading: Number of dimensions before those of the value.
        """
        axes, own = len(grid.axes), value.shape[leading:]
        if own[-axes:] == grid.shape:
            return transfer.field_to_solver(value)
        if own[-axes:] == transfer.grid.shape:
            return value
        spec = self._equation.spec.parameters.get(name)
        if spec is None or not spec.per_axis:
            return value
        if not own:
            return value.unsqueeze(-1).expand(*value.shape, axes)
        if own != (axes,):
            raise ConfigError(
                f"model.physical.pde_params.{name}: {value.tolist()}: the data have {axes} axes"
            )
        return value

    def _count_steps(self, during: Interval, bounds: Bounds, frame: int) -> StepCount:
        """Number of steps in a frame, and the stages of each where diffusion limits them."""
        self._warn_without_bounds()
        count = during.count_steps(bounds)
        if count is None:
            limit = during.stepper.largest_dt(bounds)
            raise DivergenceError(
                f"{self._equation.spec.name}: frame {frame} needs more than {MAX_SUBSTEPS} time "
                f"steps to be stable ({_describe(during.parameters)}; largest stable step "
                f"{limit:.3g}, dt {during.dt:.3g})"
            )
        return count

    def _warn_without_bounds(self) -> None:
        """Warn once that nothing limits the time step of an equation."""
        if self._warned or self._equation.bounds_time_step:
            return
        self._warned = True
        name = self._equation.spec.name
        warn_of_result(
            f"{name}: no parameter has a unit that limits the time step (length/time, "
            "length²/time, 1/time), and it overrides none of bound_speed, bound_diffusivities, "
            "bound_reaction and linear_terms: one time step is taken per frame, which may be too "
            "long. Give the bounds, or set model.physical.numerics.substeps"
        )

    def _check_finite(
        self, state: Natives, parameters: Coefficients, entries: Sequence[str] | None, frame: int
    ) -> None:
        for role, native in state.items():
            values = plain(native)
            if isfinite(float(values.sum())):  # much cheaper than a mask
                continue
            finite = torch.isfinite(values).flatten(1).all(1)
            if not bool(finite.all()):
                first = int(torch.nonzero(~finite)[0])
                entry = f"simulation {first}" if entries is None else entries[first]
                what = f"diverged in frame {frame}" if frame else "is not finite at the start"
                raise DivergenceError(
                    f"{self._equation.spec.name}: {entry} {what}: {role} is not finite "
                    f"({_describe(parameters, first)}; {self.substeps_used} time steps a frame)"
                    f"{self._advice if frame else ''}"
                )

    @property
    def _advice(self) -> str:
        """Advice for an equation of the user's own, whose time steps may be too long."""
        if type(self._equation).__module__.startswith(str(__package__)):
            return ""
        return (
            ". If a term needs shorter time steps than its parameters' units say, such as a fourth "
            "derivative, define linear_terms, or set model.physical.numerics.substeps"
        )


def _equal_intervals(spec: RolloutSpec) -> Iterator[tuple[float, int]]:
    """Time between frames, and for how many of them neither it nor a parameter changes."""
    for dt, group in groupby(spec.intervals):
        number = len(list(group))
        yield from [(dt, 1)] * number if spec.conditions.series else [(dt, number)]


def _describe(parameters: Coefficients, simulation: int | None = None) -> str:
    """The values in use: those of a simulation, or of all, take precedence over shared ones."""
    values = dict(parameters.shared)
    for name, each in parameters.individual.items():
        values[name] = each if simulation is None else each[simulation]
    shown = []
    for name, value in values.items():
        numbers = plain(value)
        if name in parameters.individual and simulation is None:
            numbers = torch.unique(numbers, dim=0)
            numbers = numbers[0] if len(numbers) == 1 else numbers
        if numbers.numel() > 8:
            text = f"{float(numbers.min()):g} … {float(numbers.max()):g}"
        else:
            text = str(numbers.tolist())
        shown.append(f"{name}={text}")
    return ", ".join(shown)
