"""Time steps of an equation on one grid.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from phi.torch.flow import batch, channel, math, spatial

from hybrid_pde.data.field_conversion import BATCH
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.models.physical.coefficients import (
    Coefficients,
    Natives,
    parameters_at,
    wrap_parameter,
)
from hybrid_pde.models.physical.equation import Equation, Values
from hybrid_pde.models.physical.shared_graphs import graphs_of
from hybrid_pde.models.physical.steps import Steps
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.numerics.exponential_integrators import coefficients, exponential_step
from hybrid_pde.numerics.runge_kutta import runge_kutta_4
from hybrid_pde.numerics.runge_kutta_chebyshev import runge_kutta_chebyshev
from hybrid_pde.numerics.semi_lagrangian import SplitAdvection
from hybrid_pde.numerics.spectral import Spectral
from hybrid_pde.numerics.stability import Bounds, largest_stable_dt
from hybrid_pde.numerics.traced_functions import Traced
from hybrid_pde.numerics.workload import Workload

FRAME = "frame"  # dimension of several frames


class Stepper:
    """Advances a batch of simulations by a graph of native operations for each set of shapes.

    Parameters and the time step are arguments of the graph: a trace would keep the first values of
    variables in its closure.

    Args:
        equation: The equation.
        grid: Grid of every field.
        layouts: Layout of every field by its role in the equation.
        discretization: The scheme.
        dtype: Precision of the state, ``torch.float32`` or ``torch.float64``.

    Attributes:
        graphs: The graphs of the equation.
    """

    def __init__(
        self,
        equation: Equation,
        grid: Grid,
        layouts: Mapping[str, FieldLayout],
        discretization: Discretization,
        dtype: torch.dtype,
    ) -> None:
        self.equation, self.grid, self.layouts, self.dtype = equation, grid, dict(layouts), dtype
        self.discretization = discretization
        self.operators = discretization.operators(grid)
        self._order = discretization.order or 4
        self._is_spectral = isinstance(self.operators, Spectral)
        self._space = tuple(range(-len(grid.axes), 0))
        # Along one axis, modes of real fields stay what they are; along several, rounding errors
        # that no value shows grow where modes grow.
        self._is_renewed = self._is_spectral and len(grid.axes) > 1
        label = f"{equation.spec.name}, {discretization.label}"
        setting = (grid, tuple(self.layouts.items()), discretization, dtype)
        self.graphs = graphs_of(equation, label, setting)

    def precision(self) -> AbstractContextManager[None]:
        """Computes with PhiML in the precision of the state."""
        return math.precision(64 if self.dtype == torch.float64 else 32)

    def largest_dt(self, bounds: Bounds) -> float:
        """The largest stable time step [time]."""
        return largest_stable_dt(bounds, self.grid.spacing, self.operators)

    def steps(
        self,
        state: Natives,
        parameters: Coefficients,
        dt: float,
        substeps: int,
        stages: int | None = None,
        workload: Workload | None = None,
    ) -> "Steps":
        """Equal steps with the same parameters, which make up the time between two frames.

        Args:
            state: A state ``[B, C, *space]`` by role as in :meth:`transform`, for its shapes.
            parameters: Parameters of the equation.
            dt: Time between two frames [time].
            substeps: Number of steps.
            stages: Stages of a Runge-Kutta-Chebyshev step; ``None`` for a Runge-Kutta step of
                order four.
            workload: The work to come, which decides whether the steps are compiled; by default
                they are not.
        """
        graph = self.graph(state, parameters, stages)
        work = workload or Workload()
        return Steps(graph, parameters, dt, substeps, self.dtype, work, self.renew)

    @property
    def renew(self) -> Callable[[Natives], Natives] | None:
        """Removes from a state what no value depends on; ``None`` if there is nothing."""
        return (lambda now: self.transform(self.inverse(now))) if self._is_renewed else None

    def graph(self, state: Natives, parameters: Coefficients, stages: int | None = None) -> Traced:
        """A step: held tensors are the parameters and its size, changing ones state and time.

        Arguments are those of :meth:`steps`.
        """
        groups = (parameters.shared, parameters.individual, parameters.slopes)
        names, own = [list(group) for group in groups], list(state)

        def step(held: Sequence[torch.Tensor], changing: Sequence[torch.Tensor]) -> list[Any]:
            left = iter(held)
            given = Coefficients(*({name: next(left) for name in group} for group in names))
            now = dict(zip(own, changing[:-1], strict=True))
            with self.precision():
                after = self._step(now, given, changing[-1], next(left), stages)
            return [after[role].contiguous() for role in own]

        # Copies that differ in their tangents only are stepped once.
        count = parameters.directions.count
        individual = [value for group in groups[1:] for value in group.values()]
        held = [
            *parameters.shared.values(),
            *(value[: len(value) // count] for value in individual),
        ]
        now = [native[: len(native) // count] for native in state.values()]
        times = [torch.ones((), dtype=self.dtype)] * 2
        changing = [*now, times[1]]
        key = (stages, names, own)
        return self.graphs.get(key, step, [*held, times[0]], changing, self._valid)

    def transform(self, values: Natives) -> Natives:
        """The state that steps advance: the Fourier modes for spectral schemes, else the values.

        Modes are those of real fields, with n // 2 + 1 of them along the last axis.
        """
        if not self._is_spectral:
            return values
        return {role: torch.fft.rfftn(u, dim=self._space) for role, u in values.items()}

    def inverse(self, state: Natives) -> Natives:
        """The values of a state; the inverse of :meth:`transform`."""
        if not self._is_spectral:
            return state
        shape = self.grid.shape
        return {role: torch.fft.irfftn(u, shape, self._space) for role, u in state.items()}

    def _valid(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Random tensors, with the modes of smooth real fields: others amplify rounding errors."""
        lines = [torch.fft.fftfreq(n, 1 / n) for n in self.grid.shape]
        lines[-1] = torch.fft.rfftfreq(self.grid.shape[-1], 1 / self.grid.shape[-1])
        square = sum(each**2 for each in torch.meshgrid(*lines, indexing="ij"))
        factor = prod(self.grid.shape) / (1 + square) ** 3
        modes = {str(n): each * factor for n, each in enumerate(tensors) if each.is_complex()}
        renewed = self.transform(self.inverse(modes))
        return [renewed.get(str(n), each) for n, each in enumerate(tensors)]

    def to_values(self, state: Mapping[str, torch.Tensor], *leading: str) -> Values:
        """Native tensors ``[…, B, C, *space]`` as PhiML tensors, scalars without a channel.

        Args:
            state: Tensors by role.
            leading: Names of the dimensions before ``B``.
        """
        return {role: self._to_values(native, role, leading) for role, native in state.items()}

    def to_natives(self, values: Mapping[str, math.Tensor]) -> Natives:
        """The inverse of :meth:`to_values`."""
        natives = {}
        for role, value in values.items():
            vector = bool(self.layouts[role].components)
            order = [BATCH, "vector"] if vector else [BATCH]
            native = value.native([*order, *self.grid.axes])
            natives[role] = native if vector else native.unsqueeze(1)
        return natives

    def wrap(self, parameters: Coefficients) -> Values:
        """All parameters as PhiML tensors; values of each simulation take precedence."""
        shared = {name: self._wrap(name, value, ()) for name, value in parameters.shared.items()}
        return {**shared, **self.wrap_individual(parameters.individual)}

    def wrap_individual(self, natives: Mapping[str, torch.Tensor]) -> Values:
        """Values ``[B, …]`` of each simulation as PhiML tensors."""
        return {name: self._wrap(name, value, (batch(BATCH),)) for name, value in natives.items()}

    def _step(
        self,
        state: Natives,
        parameters: Coefficients,
        elapsed: torch.Tensor,
        dt: torch.Tensor,
        stages: int | None,
    ) -> Natives:
        """The state after one step; the function that is traced."""
        wrapped, slopes = self.wrap(parameters), self.wrap_individual(parameters.slopes)
        step = _Step(self.to_values(state), wrapped, slopes, math.wrap(elapsed), math.wrap(dt))
        if isinstance(self.operators, Spectral):
            return self.to_natives(self._exponential_step(step, self.operators))
        return self.to_natives(self._explicit_step(step, stages))

    def _explicit_step(self, step: "_Step", stages: int | None) -> Values:
        state, dt = step.state, step.dt
        if isinstance(self.operators, SplitAdvection):
            present = parameters_at(step.parameters, step.slopes, step.elapsed)
            operators = self.operators.with_boundary(present)
            velocity = self.equation.speed_on_grid(state, present, operators)
            moved = operators.transport(state, velocity, dt)
            state = self.equation.constrain(state, moved, operators)

        def rate(now: Mapping[str, math.Tensor], since: math.Tensor) -> Values:
            present = parameters_at(step.parameters, step.slopes, step.elapsed + since)
            operators = self.operators.with_boundary(present)
            rates = self.equation.checked_rate(dict(now), present, operators)
            return {role: operators.hold(value, step.slopes) for role, value in rates.items()}

        if stages is None:
            return runge_kutta_4(rate, state, dt)
        return runge_kutta_chebyshev(rate, state, dt, stages)

    def _exponential_step(self, step: "_Step", operators: Spectral) -> Values:
        terms = self.equation.linear_terms(step.parameters)
        symbols = {}
        with math.precision(64):  # weights of single precision, too, come from exact symbols
            for role in self.layouts:
                parts = [operators.symbol(n, math.wrap(c)) for n, c in terms.get(role, {}).items()]
                symbols[role] = sum(parts, operators.symbol(0, math.wrap(0.0)))
        weights = coefficients(symbols, step.dt, self._order)
        # Parameters that change in time enter with their value at the midpoint of the step.
        midpoint = step.elapsed + 0.5 * step.dt
        present = parameters_at(step.parameters, step.slopes, midpoint)

        def rate(now: Mapping[str, math.Tensor]) -> Values:
            return self.equation.checked_rate(dict(now), present, operators)

        sizes = dict(zip(self.grid.axes, self.grid.shape, strict=True))
        return exponential_step(rate, step.state, sizes, weights, self._order)

    def _wrap(self, name: str, value: torch.Tensor, leading: tuple[Any, ...]) -> math.Tensor:
        spec = self.equation.spec.parameters.get(name)
        components = () if spec is None else spec.components
        return wrap_parameter(value.to(self.dtype), components, self.grid, leading)

    def _to_values(
        self, native: torch.Tensor, role: str, leading: Sequence[str] = ()
    ) -> math.Tensor:
        dims = [batch(name) for name in (*leading, BATCH)]
        if self.layouts[role].components:
            dims.append(channel(vector=",".join(self.layouts[role].components)))
        else:
            native = native.squeeze(len(dims))
        return math.reshaped_tensor(native, [*dims, *(spatial(axis) for axis in self.grid.axes)])


@dataclass(frozen=True)
class _Step:
    """Arguments of a step: the state, the parameters and their slopes, the time since the frame."""

    state: Values
    parameters: Values
    slopes: Values
    elapsed: math.Tensor
    dt: math.Tensor
