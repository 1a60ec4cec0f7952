"""Consecutive time steps that run as a list of operations, part by part of a batch.

Layout of native tensors: ``G`` directions of derivatives, ``B`` simulations, ``P`` parts of them,
``F`` frames, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch

from hybrid_pde.models.physical.coefficients import Coefficients, Natives, has_tangents, plain
from hybrid_pde.models.physical.step_bounds import StepBounds
from hybrid_pde.models.physical.stepper import Stepper
from hybrid_pde.models.physical.steps import (
    RENEWED_AFTER,
    are_compiled,
    flat_parameters,
    largest_listed,
    on_tensors,
    repays_list,
    split_copies,
    state_size,
    with_directions,
    with_slopes,
)
from hybrid_pde.numerics.batch_parts import Parts
from hybrid_pde.numerics.graph_recorder import Tensors
from hybrid_pde.numerics.native_graph import HeldProgram
from hybrid_pde.numerics.workload import Workload

# A batch is divided where its state has twice as many bytes, into parts of about that size: what a
# part needs stays in the cache of a core. The number of threads plays no part, so that results do
# not depend on it.
_PART = 2**16


@dataclass(frozen=True)
class StepsBetweenFrames:
    """Settings that the steps between two frames share.

    Attributes:
        dt: Time between two frames [time].
        substeps: Number of steps in it.
        stages: Stages of a Runge-Kutta-Chebyshev step; ``None`` for other steps.
        workload: The work to come.
    """

    dt: float
    substeps: int
    stages: int | None
    workload: Workload


class ListedSteps:
    """Equal steps that make up the time between two frames.

    Args:
        program: The list.
        substeps: Number of steps.
        dtype: Precision of the state.
        copies: Number of directions G of forward-mode derivatives; 0 if there are none.
    """

    def __init__(
        self, program: HeldProgram, substeps: int, dtype: torch.dtype, copies: int
    ) -> None:
        self._program, self._substeps, self._copies = program, substeps, copies
        self._start = torch.zeros((), dtype=dtype)

    def advance(
        self, state: Natives, frame: int, number: int
    ) -> tuple[
        Sequence[Natives],
        Sequence[Natives],
        Sequence[torch.Tensor] | None,
        torch.Tensor | None,
    ]:
        """States and values of some frames, computed without Python.

        Args:
            state: The state before.
            frame: Number of the frame that the steps begin at, counted from 0.
            number: Number of frames.

        Returns:
            Both; where there are no tangents, the values ``[F, B, C, *space]``; what is measured of
            the values ``[F, n]``, if the list has that.
        """
        given: Tensors = list(state.values())
        if self._copies:
            given = [each for part in split_copies(state, self._copies) for each in part]
        after, seen = self._program.run(
            [*given, self._start], frame * self._substeps, self._substeps, number
        )
        measured = None
        if len(seen) > len(given):
            *seen, last = seen
            measured = last.squeeze(-2)
            measured = measured if self._program.parts is None else StepBounds.joined(measured)
        frames = [zip(*(each.unbind() for each in part), strict=True) for part in (after, seen)]
        if not self._copies:
            states, values = ([dict(zip(state, u, strict=True)) for u in part] for part in frames)
            return states, values, seen, measured
        states, values = ([with_slopes(state, u, self._copies) for u in part] for part in frames)
        return states, values, None, measured


def listed_steps(
    stepper: Stepper,
    state: Natives,
    parameters: Coefficients,
    steps: StepsBetweenFrames,
    is_measured: bool,
) -> ListedSteps | None:
    """The steps as a list; ``None`` if they run otherwise.

    Args:
        stepper: The discretized equation.
        state: A state, for its shapes; without reverse-mode derivatives, as the parameters.
        parameters: Parameters of the equation.
        steps: The steps.
        is_measured: Whether the list measures what limits the time step.
    """
    work, first = steps.workload, next(iter(state.values()))
    is_worth = repays_list(work, work.frames * steps.substeps)
    if not is_worth or first.device.type != "cpu" or parameters.slopes:
        return None
    copies = parameters.directions.count if has_tangents(state, parameters) else 0
    total = len(first) // max(copies, 1)
    parts = _parts(state, total, copies)
    if state_size(state) * parts.size // total > largest_listed(
        first.is_complex(), len(parts.starts)
    ):
        return None
    starts = parts.starts if parameters.individual else parts.starts[:1]
    own = [_part_of(state, parameters, max(copies, 1), parts, start) for start in starts]
    example, given = own[0]
    step = stepper.graph(example, given, steps.stages)
    if are_compiled(step, state, parameters, work, steps.substeps):
        return None
    step_size = torch.tensor(steps.dt / steps.substeps, dtype=stepper.dtype)
    held = [[*flat_parameters(each), step_size] for _, each in own]
    changing, graph = list(example.values()), step
    if copies:
        pairs = [[*with_directions(each), (step_size, None)] for _, each in own]
        derivative = step.derivative([slope for _, slope in pairs[0]], len(example), copies)
        if derivative is None:
            return None
        graph = derivative
        # values first, then the tangents that there are
        held = [[u for u, _ in each] + [u for _, u in each if u is not None] for each in pairs]
        changing = [u for group in split_copies(example, copies) for u in group]
    observed = _observations(stepper, example, given, copies, is_measured)
    program = graph.program(
        held,
        [*changing, step_size],
        observed,
        _renewal(stepper, list(example)),
        RENEWED_AFTER,
        (tuple(example), len(observed)),
        parts if len(parts.starts) > 1 else None,
    )
    return None if program is None else ListedSteps(program, steps.substeps, stepper.dtype, copies)


def _parts(state: Natives, total: int, copies: int) -> Parts:
    """The parts of a batch with so many simulations, each with its copies."""
    size, each = total, state_size(state) // max(total, 1)
    if total * each >= 2 * _PART:
        size = ceil(total / ceil(total / max(_PART // each, 1)))
    axes = [0] * len(state) + [1] * (len(state) if copies else 0)
    return Parts(size, total, [*axes, None])


def _part_of(
    state: Natives, parameters: Coefficients, copies: int, parts: Parts, start: int
) -> tuple[Natives, Coefficients]:
    """State and parameters of some simulations."""
    if parts.size == parts.total:
        return state, parameters

    def own(values: torch.Tensor) -> torch.Tensor:
        return values.unflatten(0, (copies, -1)).narrow(1, start, parts.size).flatten(0, 1)

    individual = {name: own(values) for name, values in parameters.individual.items()}
    given = Coefficients(parameters.shared, individual, directions=parameters.directions)
    return {role: own(values) for role, values in state.items()}, given


def _observations(
    stepper: Stepper, example: Natives, parameters: Coefficients, copies: int, is_measured: bool
) -> list[Any]:
    """Functions of held tensors and states: values with what is measured of them, values alone."""
    roles, rows = list(example), len(next(iter(example.values()))) // max(copies, 1)

    def values(held: Tensors, states: Tensors) -> Tensors:
        return on_tensors(stepper.inverse, roles, *states)

    if not is_measured:
        return [values]
    now = stepper.inverse({role: plain(each)[:rows] for role, each in example.items()})
    individual = {name: each[:rows] for name, each in parameters.individual.items()}
    given = Coefficients(parameters.shared, individual)
    bounds, number = StepBounds(stepper, given).graph(now), len(flat_parameters(given))

    def with_bounds(held: Tensors, states: Tensors) -> Tensors:
        found = values(held, states)
        run = bounds.hold(held[:number], found[0].device)
        return [*found, *run([each.unsqueeze(0) for each in found[: len(roles)]])]

    return [with_bounds, values]


def _renewal(stepper: Stepper, roles: list[str]) -> Any:
    renew = stepper.renew
    return None if renew is None else lambda *states: on_tensors(renew, roles, *states)
