"""One compiled Runge-Kutta step of an equation on one grid.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

import warnings
from collections.abc import Callable, Mapping

import torch
from phi.torch.flow import batch, channel, math, spatial

from src.data.fields import BATCH
from src.data.grid import FieldLayout, Grid
from src.numerics.discretization import Operators
from src.numerics.runge_kutta import runge_kutta_4

Natives = dict[str, torch.Tensor]
Values = dict[str, math.Tensor]
Rate = Callable[[Values, Values, Operators], Values]


class Stepper:
    """Advances a batch of simulations; compiled once for each shape that it meets.

    Parameters and the time step enter the compiled step as arguments: a traced function that
    closed over them would keep their first values.

    Args:
        rate: The equation's right-hand side.
        grid: Grid of every field.
        layouts: Layout of every field by its role in the equation.
        operators: Derivatives on that grid.
        dtype: Precision of the state, ``torch.float32`` or ``torch.float64``.
    """

    def __init__(
        self,
        rate: Rate,
        grid: Grid,
        layouts: Mapping[str, FieldLayout],
        operators: Operators,
        dtype: torch.dtype,
    ) -> None:
        self.grid, self.layouts, self.operators, self.dtype = grid, dict(layouts), operators, dtype
        self._bits = 64 if dtype == torch.float64 else 32
        self._compiled_for: set[tuple[torch.Size, ...]] = set()

        def step(state: Values, parameters: Values, dt: math.Tensor) -> Values:
            after = runge_kutta_4(lambda now: rate(dict(now), parameters, operators), state, dt)
            # One order of dimensions in and out: another one would be compiled again.
            return self.to_values(self.to_natives(after))

        self._step = math.jit_compile(step)

    def advance(self, state: Natives, parameters: Natives, dt: float, substeps: int) -> Natives:
        """The state after ``substeps`` equal steps that make up ``dt`` [time]."""
        values, wrapped = self.to_values(state), self.wrap(parameters)
        step_dt = math.wrap(torch.tensor(dt / substeps, dtype=self.dtype))
        with math.precision(self._bits):
            self._compile(state, parameters, step_dt)
            for _ in range(substeps):
                values = self._step(values, wrapped, step_dt)
            return self.to_natives(values)

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

    def wrap(self, parameters: Mapping[str, torch.Tensor]) -> Values:
        """Parameters as PhiML tensors; numbers an axis get the dimension ``vector``."""
        axes = channel(vector=",".join(self.grid.axes))
        wrapped = {}
        for name, value in parameters.items():
            value = value.to(self.dtype)
            wrapped[name] = math.wrap(value, axes) if value.ndim else math.wrap(value)
        return wrapped

    def _to_values(self, native: torch.Tensor, role: str) -> math.Tensor:
        dims = [batch(BATCH)]
        if self.layouts[role].components:
            dims.append(channel(vector=",".join(self.layouts[role].components)))
        else:
            native = native.squeeze(1)
        return math.reshaped_tensor(native, [*dims, *(spatial(axis) for axis in self.grid.axes)])

    def _compile(self, state: Natives, parameters: Natives, dt: math.Tensor) -> None:
        shapes = tuple(tensor.shape for tensor in (*state.values(), *parameters.values()))
        if shapes in self._compiled_for:
            return
        # Traced on plain copies: a trace under differentiation would record the wrong thing.
        plain = {
            role: torch.zeros(native.shape, dtype=self.dtype) for role, native in state.items()
        }
        constants = {name: torch.ones(value.shape) for name, value in parameters.items()}
        with warnings.catch_warnings(), torch.no_grad():
            # PhiML compiles with torch.jit.trace, which announces its own successor.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            self._step(self.to_values(plain), self.wrap(constants), dt)
        self._compiled_for.add(shapes)
