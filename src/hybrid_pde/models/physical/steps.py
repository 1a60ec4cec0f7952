"""Consecutive time steps with the same parameters, with what their derivatives need.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Callable, Sequence
from math import ceil, sqrt

import torch
from torch.utils.checkpoint import checkpoint

from hybrid_pde.models.physical.coefficients import (
    Coefficients,
    Natives,
    has_tangents,
    is_differentiated,
)
from hybrid_pde.numerics.traced_functions import Traced

# With so few steps in a frame, recomputing them saves no memory worth the time.
_ALL_KEPT = 4
# Number of steps after which a state is renewed.
_RENEWED_AFTER = 16
_NONE = Coefficients({})


class Steps:
    """Equal steps that make up the time between two frames.

    Args:
        graph: The step: held tensors are the parameters and the step size, changing ones the state
            and the time since the frame.
        parameters: Parameters of the equation.
        dt: Time between two frames [time].
        substeps: Number of steps.
        dtype: Precision of the state.
        renew: Removes from a state what no value depends on; ``None`` if there is nothing.
    """

    def __init__(
        self,
        graph: Traced,
        parameters: Coefficients,
        dt: float,
        substeps: int,
        dtype: torch.dtype,
        renew: Callable[[Natives], Natives] | None = None,
    ) -> None:
        self._graph, self._parameters, self._dtype = graph, parameters, dtype
        self._dt, self._substeps, self._renew = dt, substeps, renew
        self._start: torch.Tensor | None = None
        self._tangents = has_tangents({}, parameters)
        self._held: dict[bool, Callable[[Sequence[torch.Tensor]], Sequence[torch.Tensor]]] = {}

    def advance(self, state: Natives, frame: int) -> Natives:
        """The state after all steps.

        With reverse-mode derivatives, only one state in about √substeps is kept; the backward pass
        recomputes the steps in between.

        Args:
            state: The state before.
            frame: Number of the frame that the steps begin at, counted from 0.
        """
        substeps = self._substeps
        period = max(1, _RENEWED_AFTER // substeps)
        if self._renew is not None and frame % period == period - 1:
            state = self._renew(state)
        if substeps <= _ALL_KEPT or not is_differentiated(state, self._parameters):
            return self._advance(state, range(substeps))
        size = ceil(sqrt(substeps))
        for begin in range(0, substeps, size):
            state = self._recomputed(state, range(begin, min(begin + size, substeps)))
        return state

    def _advance(self, state: Natives, numbers: range) -> Natives:
        """The state after the steps with these numbers."""
        tangents = self._tangents or has_tangents(state, _NONE)
        if tangents not in self._held:
            first = next(iter(state.values()))
            span = torch.tensor(self._dt / self._substeps, dtype=self._dtype, device=first.device)
            held = [*_flat(self._parameters), span]
            self._held[tangents] = self._graph.hold(held, first.device, tangents)
        run = self._held[tangents]
        values: Sequence[torch.Tensor] = [native.contiguous() for native in state.values()]
        if self._start is None:
            self._start = torch.zeros((), dtype=self._dtype, device=values[0].device)
        elapsed = self._start
        for number in numbers:
            if self._renew is not None and number % _RENEWED_AFTER == _RENEWED_AFTER - 1:
                values = list(self._renew(dict(zip(state, values, strict=True))).values())
            if self._parameters.slopes:
                elapsed = torch.full_like(elapsed, number * self._dt / self._substeps)
            values = run([*values, elapsed])
        return dict(zip(state, values, strict=True))

    def _recomputed(self, state: Natives, numbers: range) -> Natives:
        """The same; for the backward pass only the state before is kept."""
        groups = _groups(self._parameters)
        names = [list(group) for group in groups]

        def run(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
            left = iter(tensors)
            before = {role: next(left) for role in state}
            parameters = Coefficients(*({name: next(left) for name in group} for group in names))
            steps = Steps(
                self._graph, parameters, self._dt, self._substeps, self._dtype, self._renew
            )
            return tuple(steps._advance(before, numbers).values())

        flat = [*state.values(), *_flat(self._parameters)]
        return dict(zip(state, checkpoint(run, *flat, use_reentrant=True), strict=True))


def _groups(parameters: Coefficients) -> tuple[Natives, Natives, Natives]:
    return parameters.shared, parameters.individual, parameters.slopes


def _flat(parameters: Coefficients) -> list[torch.Tensor]:
    return [value.contiguous() for group in _groups(parameters) for value in group.values()]
