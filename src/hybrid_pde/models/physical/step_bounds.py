"""Bounds on the speeds, diffusivities and rates of an equation, which limit its time step.

Layout of native tensors: ``F`` frames, ``B`` simulations, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from phi.torch.flow import math

from hybrid_pde.models.physical.coefficients import Coefficients, Natives, plain
from hybrid_pde.models.physical.equation import LinearTerms, Values
from hybrid_pde.models.physical.stepper import FRAME, Stepper
from hybrid_pde.numerics.native_graph import Tensors
from hybrid_pde.numerics.stability import Bounds
from hybrid_pde.numerics.traced_functions import Traced

# Derivatives whose coefficients limit the step.
_ORDERS = (2, 3, 4)


@dataclass(frozen=True)
class Measured:
    """The bounds at a frame, and whether the sum of all its values is finite."""

    bounds: Bounds
    is_finite: bool


class StepBounds:
    """Bounds at any state with the same parameters.

    Args:
        stepper: The discretized equation.
        parameters: Parameters of the equation.
    """

    def __init__(self, stepper: Stepper, parameters: Coefficients) -> None:
        self._stepper, self._num_axes = stepper, len(stepper.grid.axes)
        groups = (parameters.shared, parameters.individual)
        self._names = [list(group) for group in groups]
        self._held = [plain(value).contiguous() for group in groups for value in group.values()]
        self._runs: dict[int, Any] = {}

    @torch.no_grad()
    def at(self, frames: Sequence[Natives], stacked: Tensors | None = None) -> list[Measured]:
        """The bounds at each of some states ``[B, C, *space]``, by one reduction.

        Args:
            frames: The states.
            stacked: All of them ``[F, B, C, *space]``, where they are in one piece of memory.
        """
        measured = self._measured(list(frames[0]), stack_frames(frames, stacked))
        return [self.unpacked(row) for row in measured.tolist()[: len(frames)]]

    def graph(self, values: Natives) -> Traced:
        """The numbers ``[1, n]`` of :meth:`unpacked` from parameters and a state ``[1, B, …]``.

        Args:
            values: The state ``[B, C, *space]``, for its shapes.
        """
        return self._graph(list(values), [each.unsqueeze(0) for each in values.values()])

    @staticmethod
    def joined(rows: torch.Tensor) -> torch.Tensor:
        """The numbers ``[F, n]`` of a batch from those of its parts ``[F, P, n]``."""
        return torch.cat([rows[..., :-1].amax(1), rows[..., -1:].sum(1)], -1)

    def _measured(self, roles: list[str], stacked: Tensors) -> torch.Tensor:
        size = len(stacked[0])
        if size not in self._runs:
            graph = self._graph(roles, stacked)
            self._runs[size] = graph.hold(self._held, stacked[0].device)
        (measured,) = self._runs[size](stacked)
        return torch.as_tensor(measured)

    def _graph(self, roles: list[str], stacked: Tensors) -> Traced:
        def measure(held: Tensors, changing: Tensors) -> Tensors:
            left = iter(held)
            given = Coefficients(*({name: next(left) for name in group} for group in self._names))
            with self._stepper.precision():
                values = self._stepper.to_values(dict(zip(roles, changing, strict=True)), FRAME)
                sizes = self._measure(values, self._stepper.wrap(given))
            sums = [each.flatten(1).sum(1).to(torch.float64) for each in changing]
            sizes.append(sum(sums[1:], sums[0]))
            return [torch.stack([size.expand(len(changing[0])) for size in sizes], 1)]

        key = ("bounds", self._names, roles)
        return self._stepper.graphs.get(key, measure, self._held, stacked)

    def unpacked(self, sizes: Sequence[float]) -> Measured:
        """The bounds of a state from its numbers."""
        linear = dict(zip(_ORDERS, sizes[self._num_axes : -2], strict=True))
        bounds = Bounds(tuple(sizes[: self._num_axes]), linear, sizes[-2])
        return Measured(bounds, isfinite(sizes[-1]))

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


@torch.no_grad()
def are_finite(frames: Sequence[Natives], stacked: Tensors | None = None) -> list[bool]:
    """True for frames whose values have a finite sum; arguments as of :meth:`StepBounds.at`."""
    sums = [each.flatten(1).sum(1) for each in stack_frames(frames, stacked)]
    total = sum(sums[1:], sums[0])
    return list(map(isfinite, total.tolist()[: len(frames)]))


def stack_frames(frames: Sequence[Natives], stacked: Tensors | None = None) -> list[torch.Tensor]:
    """The values of all frames ``[F, B, C, *space]``, for each field.

    The last one is repeated until their number is a power of two: there is a graph for each.
    """
    if stacked is not None and len(frames).bit_count() == 1:
        return list(stacked)
    if len(frames) == 1:
        return [plain(native).unsqueeze(0) for native in frames[0].values()]
    size = 1 << (len(frames) - 1).bit_length()
    padded = [*frames, *[frames[-1]] * (size - len(frames))]
    return [torch.stack([plain(each[role]) for each in padded]) for role in frames[0]]


def _component(speed: math.Tensor, axis: str) -> math.Tensor:
    return speed.vector[axis] if "vector" in speed.shape else speed


def _largest(*values: Any) -> torch.Tensor:
    """The largest magnitude in each frame ``[F]``, or a number for all; 0 of nothing."""
    largest = torch.zeros((), dtype=torch.float64)
    for value in map(math.wrap, values):
        frame = [FRAME] if FRAME in value.shape else []
        native = torch.as_tensor(value.native([*frame, *(value.shape - FRAME).names]))
        if not (native.is_floating_point() or native.is_complex()):
            native = native.to(torch.float64)
        size = native.abs().flatten(len(frame)).amax(-1) if native.ndim > len(frame) else native
        largest = torch.maximum(largest, size.abs().to(torch.float64))
    return largest
