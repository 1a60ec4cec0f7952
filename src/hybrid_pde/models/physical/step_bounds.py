"""Bounds on the speeds, diffusivities and rates of an equation, which limit its time step.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from math import inf
from typing import Any

import torch
from phi.torch.flow import math

from hybrid_pde.models.physical.coefficients import Coefficients, Natives, plain
from hybrid_pde.models.physical.equation import LinearTerms, Values
from hybrid_pde.models.physical.stepper import Stepper
from hybrid_pde.numerics.native_graph import Tensors
from hybrid_pde.numerics.stability import Bounds

# Derivatives whose coefficients limit the step.
_ORDERS = (2, 3, 4)


class StepBounds:
    """Bounds at any state with the same parameters.

    Args:
        stepper: The discretized equation.
        state: A state ``[B, C, *space]`` by role, for its shapes.
        parameters: Parameters of the equation.
    """

    def __init__(self, stepper: Stepper, state: Natives, parameters: Coefficients) -> None:
        self._stepper, self._num_axes = stepper, len(stepper.grid.axes)
        groups = (parameters.shared, parameters.individual)
        names, roles = [list(group) for group in groups], list(state)

        def measure(held: Tensors, changing: Tensors) -> Tensors:
            left = iter(held)
            given = Coefficients(*({name: next(left) for name in group} for group in names))
            with stepper.precision():
                values = stepper.to_values(dict(zip(roles, changing, strict=True)))
                return [torch.stack(self._measure(values, stepper.wrap(given)))]

        held = [plain(value).contiguous() for group in groups for value in group.values()]
        changing = [plain(native) for native in state.values()]
        graph = stepper.graphs.get(("bounds", names, roles), measure, held, changing)
        with torch.no_grad():
            self._run = graph.hold(held, changing[0].device)

    @torch.no_grad()
    def at(self, state: Natives) -> Bounds:
        """The bounds at a state."""
        (measured,) = self._run([plain(native) for native in state.values()])
        sizes = measured.tolist()
        linear = dict(zip(_ORDERS, sizes[self._num_axes : -1], strict=True))
        return Bounds(tuple(sizes[: self._num_axes]), linear, sizes[-1])

    def _measure(self, values: Values, parameters: Values) -> list[torch.Tensor]:
        """Bounds of the speed along each axis, of the terms by order, of the reaction."""
        equation, discretization = self._stepper.equation, self._stepper.discretization
        exact = discretization.scheme == "spectral"  # for any step
        terms = equation.linear_terms(parameters)
        speed = equation.speed_on_grid(values, parameters, self._stepper.operators)
        if exact:
            # the coefficient of order 1 is minus a velocity
            speed = sum((each[1] for each in terms.values() if 1 in each), speed)
        speeds = [_largest(_component(speed, axis)) for axis in self._stepper.grid.axes]
        if discretization.is_split:
            # Advection along characteristics is stable for any step; more than a cell in a step
            # only makes it less accurate.
            speeds = [_largest(math.wrap(0.0)) for _ in speeds]
        linear = [_largest(*self._coefficients(order, terms, exact)) for order in _ORDERS]
        if any(2 not in terms.get(role, {}) for role in values):
            linear[0] = torch.maximum(
                linear[0], _largest(*equation.bound_diffusivities(parameters))
            )
        return [*speeds, *linear, _largest(equation.bound_reaction(values, parameters))]

    @staticmethod
    def _coefficients(order: int, terms: LinearTerms, exact: bool) -> list[math.Tensor]:
        if exact:
            return []
        return [each[order] for each in terms.values() if order in each]


def _component(speed: math.Tensor, axis: str) -> math.Tensor:
    return speed.vector[axis] if "vector" in speed.shape else speed


def _largest(*values: Any) -> torch.Tensor:
    """The largest magnitude, 0 of nothing."""
    largest = torch.zeros((), dtype=torch.float64)
    for value in map(math.wrap, values):
        native = torch.as_tensor(value.native(value.shape))
        if not (native.is_floating_point() or native.is_complex()):
            native = native.to(torch.float64)
        size = torch.linalg.vector_norm(native, inf)
        largest = torch.maximum(largest, size.to(torch.float64))
    return largest
