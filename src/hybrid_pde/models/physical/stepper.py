"""Compiled time steps of an equation on one grid.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, sqrt
from typing import Any

import torch
from phi.torch.flow import batch, channel, math, spatial
from torch.utils.checkpoint import checkpoint

from hybrid_pde.data.field_conversion import BATCH
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.models.physical.coefficients import (
    Coefficients,
    Natives,
    has_tangents,
    is_differentiated,
    parameters_at,
    with_tangents,
    wrap_parameter,
)
from hybrid_pde.models.physical.compiled_steps import CompiledSteps
from hybrid_pde.models.physical.equation import Equation, Values
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.numerics.exponential_integrators import coefficients, exponential_step
from hybrid_pde.numerics.runge_kutta import runge_kutta_4
from hybrid_pde.numerics.runge_kutta_chebyshev import runge_kutta_chebyshev
from hybrid_pde.numerics.semi_lagrangian import SplitAdvection
from hybrid_pde.numerics.spectral import Spectral

# With so few steps in a frame, recomputing them saves no memory worth the time.
_ALL_KEPT = 4


@dataclass(frozen=True)
class _Part:
    """Consecutive steps of a frame: the compiled step, the start of each [time], their length."""

    step: Callable[..., Values]
    times: Sequence[float]
    span: float


class Stepper:
    """Advances a batch of simulations; compiles a step for each combination of shapes.

    Parameters and the time step are arguments of the compiled step: a traced function would keep
    the first values of variables in its closure.

    Args:
        equation: The equation.
        grid: Grid of every field.
        layouts: Layout of every field by its role in the equation.
        discretization: The scheme.
        dtype: Precision of the state, ``torch.float32`` or ``torch.float64``.
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
        self._bits = 64 if dtype == torch.float64 else 32
        self._steps = CompiledSteps()

    def advance(
        self,
        state: Natives,
        parameters: Coefficients,
        dt: float,
        substeps: int,
        stages: int | None = None,
    ) -> Natives:
        """The state after ``substeps`` equal steps that make up ``dt`` [time].

        Args:
            state: ``[B, C, *space]`` by role.
            parameters: Parameters of the equation.
            dt: Time between the states [time].
            substeps: Number of steps.
            stages: Stages of a Runge-Kutta-Chebyshev step; ``None`` for a Runge-Kutta step of
                order four.

        With reverse-mode derivatives, only one state in about √substeps is kept; the backward pass
        recomputes the steps in between.
        """
        with math.precision(self._bits):
            step = self._compiled(state, parameters, stages)
        cut = substeps > _ALL_KEPT and is_differentiated(state, parameters)
        size = ceil(sqrt(substeps)) if cut else substeps
        advance = self._recomputed if cut else self._advance
        for begin in range(0, substeps, size):
            times = [number * dt / substeps for number in range(begin, begin + size)]
            part = _Part(step, times[: substeps - begin], dt / substeps)
            state = advance(state, parameters, part)
        return state

    def _advance(self, state: Natives, parameters: Coefficients, part: "_Part") -> Natives:
        """The state after the steps of a part."""
        values, wrapped = self.to_values(state), self.wrap(parameters)
        slopes = self.wrap_individual(parameters.slopes)
        with math.precision(self._bits):
            step_dt = self._number(part.span)
            extra = self._extra(wrapped, step_dt)
            times = [self._number(time) for time in part.times]
            if has_tangents(state, parameters):
                values, wrapped, slopes, extra, step_dt = map(
                    with_tangents, (values, wrapped, slopes, extra, step_dt)
                )
                times = [with_tangents(time) for time in times]
            for elapsed in times:
                values = part.step(values, wrapped, slopes, extra, elapsed, step_dt)
            return self.to_natives(values)

    def _recomputed(self, state: Natives, parameters: Coefficients, part: "_Part") -> Natives:
        """The same; for the backward pass only the state before is kept."""
        groups = (state, parameters.shared, parameters.individual, parameters.slopes)
        names = [list(group) for group in groups]
        flat = [group[name] for group in groups for name in group]

        def run(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
            left = iter(tensors)
            before, *rest = ({name: next(left) for name in group} for group in names)
            after = self._advance(before, Coefficients(*rest), part)
            return tuple(after[name] for name in state)

        # Checkpoints without reentry hook into saved tensors, which compiled steps do not support.
        return dict(zip(state, checkpoint(run, *flat, use_reentrant=True), strict=True))

    def to_values(self, state: Mapping[str, torch.Tensor]) -> Values:
        """Native tensors ``[B, C, *space]`` as PhiML tensors, scalars without a channel."""
        return {role: self._to_values(native, role) for role, native in state.items()}

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

    def _explicit_step(
        self,
        stages: int | None,
        state: Values,
        parameters: Values,
        slopes: Values,
        extra: dict[str, Values],
        elapsed: math.Tensor,
        dt: math.Tensor,
    ) -> Values:
        if isinstance(self.operators, SplitAdvection):
            present = parameters_at(parameters, slopes, elapsed)
            operators = self.operators.with_boundary(present)
            velocity = self.equation.speed_on_grid(state, present, operators)
            moved = operators.transport(state, velocity, dt)
            state = self.equation.constrain(state, moved, operators)

        def rate(now: Mapping[str, math.Tensor], since: math.Tensor) -> Values:
            present = parameters_at(parameters, slopes, elapsed + since)
            operators = self.operators.with_boundary(present)
            rates = self.equation.rate(dict(now), present, operators)
            return {role: operators.hold(value, slopes) for role, value in rates.items()}

        if stages is None:
            after = runge_kutta_4(rate, state, dt)
        else:
            after = runge_kutta_chebyshev(rate, state, dt, stages)
        # The same order of dimensions in and out: another one would be compiled separately.
        return self.to_values(self.to_natives(after))

    def _exponential_step(
        self,
        state: Values,
        parameters: Values,
        slopes: Values,
        extra: dict[str, Values],
        elapsed: math.Tensor,
        dt: math.Tensor,
    ) -> Values:
        # Parameters that change in time enter with their value at the midpoint of the step.
        present = parameters_at(parameters, slopes, elapsed + 0.5 * dt)

        assert isinstance(self.operators, Spectral)
        operators = self.operators.with_constants(extra["constants"])

        def rate(now: Mapping[str, math.Tensor]) -> Values:
            return self.equation.rate(dict(now), present, operators)

        after = exponential_step(rate, state, extra["weights"], self._order)
        return self.to_values(self.to_natives(after))

    def _extra(self, parameters: Values, dt: math.Tensor) -> dict[str, Values]:
        """Weights of the exponential integrator, common to all steps of one length."""
        if not isinstance(self.operators, Spectral):
            return {}
        terms = self.equation.linear_terms(parameters)
        symbols = {}
        for role in self.layouts:
            parts = [self.operators.symbol(n, c) for n, c in terms.get(role, {}).items()]
            symbols[role] = sum(parts, self.operators.symbol(0, math.wrap(0.0)))
        weights = coefficients(symbols, dt, self._order)
        return {"weights": weights, "constants": self.operators.constants}

    def _number(self, value: float) -> math.Tensor:
        return math.wrap(torch.tensor(value, dtype=self.dtype))

    def _wrap(self, name: str, value: torch.Tensor, leading: tuple[Any, ...]) -> math.Tensor:
        spec = self.equation.spec.parameters.get(name)
        components = () if spec is None else spec.components
        return wrap_parameter(value.to(self.dtype), components, self.grid, leading)

    def _to_values(self, native: torch.Tensor, role: str) -> math.Tensor:
        dims = [batch(BATCH)]
        if self.layouts[role].components:
            dims.append(channel(vector=",".join(self.layouts[role].components)))
        else:
            native = native.squeeze(1)
        return math.reshaped_tensor(native, [*dims, *(spatial(axis) for axis in self.grid.axes)])

    def _compiled(
        self, state: Natives, parameters: Coefficients, stages: int | None
    ) -> Callable[..., Values]:
        """The compiled step for the shapes of a state and of parameters."""
        parts = (state, parameters.shared, parameters.individual, parameters.slopes)
        shapes = tuple((name, value.shape) for part in parts for name, value in part.items())

        def examples() -> tuple[Any, ...]:
            zeros = {role: torch.zeros(v.shape, dtype=self.dtype) for role, v in state.items()}
            ones = Coefficients(
                *(
                    {name: torch.ones(v.shape, dtype=self.dtype) for name, v in part.items()}
                    for part in parts[1:]
                )
            )
            wrapped, slopes = self.wrap(ones), self.wrap_individual(ones.slopes)
            dt = self._number(1.0)
            extra = self._extra(wrapped, dt)
            return self.to_values(zeros), wrapped, slopes, extra, self._number(0.0), dt

        if isinstance(self.operators, Spectral):
            return self._steps.get(None, shapes, self._exponential_step, examples)
        return self._steps.get(stages, shapes, partial(self._explicit_step, stages), examples)
