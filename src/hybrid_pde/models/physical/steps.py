"""Consecutive time steps with the same parameters, with what their derivatives need.

Layout of native tensors: ``G`` directions of derivatives, ``B`` simulations, ``C`` channels,
``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil, sqrt

import torch
import torch.autograd.forward_ad as forward_ad
from torch.utils.checkpoint import checkpoint

from hybrid_pde.models.physical.coefficients import (
    Coefficients,
    Natives,
    has_tangents,
    is_differentiated,
)
from hybrid_pde.numerics.directional_derivatives import Direction, Pushforward
from hybrid_pde.numerics.listed_adjoint import ListedAdjoint
from hybrid_pde.numerics.traced_functions import Traced
from hybrid_pde.numerics.workload import Workload

# Operations of a step with derivatives, relative to one without.
_WITH_TANGENTS = 3
# With so few steps in a frame, recomputing them saves no memory worth the time.
_ALL_KEPT = 4
# Size of all states in a frame that are kept where the steps are lists [bytes].
_KEPT_SIZE = 2**26
# Number of steps after which a state is renewed.
RENEWED_AFTER = 16
# Largest state of modes, or of values, that is advanced by a list of operations [bytes], times the
# number of threads that have nothing else to do: sums and products of a list take one, those of
# PyTorch all of them, but not below a certain size. The fewest steps that repay making a list.
_LARGEST_MODES, _LARGEST_VALUES, _NEVER_SHARED = 2**22, 2**24, 2**19
_FEWEST_LISTED = 8
_NO_PARAMETERS = Coefficients({})
Run = Callable[[Sequence[torch.Tensor]], Sequence[torch.Tensor]]


class Steps:
    """Equal steps that make up the time between two frames.

    Args:
        graph: The step: held tensors are the parameters and the step size, changing ones the state
            and the time since the frame.
        parameters: Parameters of the equation.
        dt: Time between two frames [time].
        substeps: Number of steps.
        dtype: Precision of the state.
        workload: The work to come, which decides whether the steps are compiled.
        renew: Removes from a state what no value depends on; ``None`` if there is nothing.
    """

    def __init__(
        self,
        graph: Traced,
        parameters: Coefficients,
        dt: float,
        substeps: int,
        dtype: torch.dtype,
        workload: Workload,
        renew: Callable[[Natives], Natives] | None = None,
    ) -> None:
        self._graph, self._parameters, self._dtype = graph, parameters, dtype
        self._dt, self._substeps, self._workload = dt, substeps, workload
        self._renew = renew
        self._run: Run | None = None
        self._has_lists = False
        self._push: Pushforward | None = None
        self._start: torch.Tensor | None = None
        self._has_tangents = has_tangents({}, parameters)

    def are_compiled(self, state: Natives) -> bool:
        """True if the steps from such a state run compiled."""
        return are_compiled(self._graph, state, self._parameters, self._workload, self._substeps)

    def advance(self, state: Natives, frame: int) -> Natives:
        """The state after all steps.

        With reverse-mode derivatives, only one state in about √substeps is kept; the backward pass
        recomputes the steps in between.

        Args:
            state: The state before.
            frame: Number of the frame that the steps begin at, counted from 0.
        """
        substeps = self._substeps
        is_kept = substeps <= _ALL_KEPT or not is_differentiated(state, self._parameters)
        if is_kept or (substeps * state_size(state) <= _KEPT_SIZE and self._is_listed(state)):
            return self._advance(state, frame, range(substeps))
        size = ceil(sqrt(substeps))
        for begin in range(0, substeps, size):
            state = self._recomputed(state, frame, range(begin, min(begin + size, substeps)))
        return state

    def _advance(self, state: Natives, frame: int, numbers: range) -> Natives:
        """The state after the steps with these numbers."""
        if self._has_tangents or has_tangents(state, _NO_PARAMETERS):
            return self._advance_tangents(state, frame, numbers)
        values: Sequence[torch.Tensor] = [native.contiguous() for native in state.values()]
        device = values[0].device
        if not self._is_listed(state) and self._run is None:
            held = [*flat_parameters(self._parameters), self._step_size(device)]
            self._run = self._graph.hold(held, device, self.are_compiled(state))
        assert self._run is not None
        for number, elapsed in self._times(numbers, device):
            values = self._run([*self._renewed(values, state, frame, number), elapsed])
        return dict(zip(state, values, strict=True))

    def _is_listed(self, state: Natives) -> bool:
        """True if steps of such a state and their adjoints run as lists, which are made if not."""
        work, first = self._workload, next(iter(state.values()))
        if self._run is not None or not any(each.requires_grad for each in state.values()):
            return self._has_lists
        held = flat_parameters(self._parameters)
        if (
            any(value.requires_grad for value in held)
            or work.compile == "always"
            or not repays_list(work, work.frames * work.rollouts * self._substeps)
            or first.device.type != "cpu"
            or self._parameters.slopes
            or state_size(state) > largest_listed(first.is_complex(), 1)
        ):
            return False
        changing = [*state.values(), torch.zeros((), dtype=self._dtype)]
        found = ListedAdjoint.of(self._graph, [*held, self._step_size(first.device)], changing)
        if found is not None:
            self._run, self._has_lists = found.run, True
        return self._has_lists

    def _advance_tangents(self, state: Natives, frame: int, numbers: range) -> Natives:
        """The same for a state ``[G·B, …]`` with tangents; equal values are computed once."""
        values: Sequence[torch.Tensor]
        slopes: Sequence[torch.Tensor]
        values, slopes = split_copies(state, self._parameters.directions.count)
        device = values[0].device
        if self._push is None:
            given = [*with_directions(self._parameters), (self._step_size(device), None)]
            held, directions = [value for value, _ in given], [slope for _, slope in given]
            self._push = self._graph.hold_derivatives(
                held, directions, len(values), device, self.are_compiled(state)
            )
        for number, elapsed in self._times(numbers, device):
            values, slopes = (
                self._renewed(each, state, frame, number) for each in (values, slopes)
            )
            values, slopes = self._push([*values, elapsed], slopes)
        return with_slopes(state, [*values, *slopes], self._parameters.directions.count)

    def _step_size(self, device: torch.device) -> torch.Tensor:
        return torch.tensor(self._dt / self._substeps, dtype=self._dtype, device=device)

    def _renewed(
        self, values: Sequence[torch.Tensor], roles: Iterable[str], frame: int, number: int
    ) -> Sequence[torch.Tensor]:
        """The tensors of a state ``[(G,) B, …]`` before a step, renewed now and then."""
        step = frame * self._substeps + number
        if self._renew is None or step % RENEWED_AFTER != RENEWED_AFTER - 1:
            return values
        return on_tensors(self._renew, roles, *values)

    def _times(self, numbers: range, device: torch.device) -> Iterator[tuple[int, torch.Tensor]]:
        """Steps and the time since the frame; it matters where parameters change in time."""
        if self._start is None:
            self._start = torch.zeros((), dtype=self._dtype, device=device)
        elapsed = self._start
        for number in numbers:
            if self._parameters.slopes:
                elapsed = torch.full_like(elapsed, number * self._dt / self._substeps)
            yield number, elapsed

    def _recomputed(self, state: Natives, frame: int, numbers: range) -> Natives:
        """The same; for the backward pass only the state before is kept."""
        groups = _groups(self._parameters)
        names = [list(group) for group in groups]

        def run(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
            left = iter(tensors)
            before = {role: next(left) for role in state}
            parameters = Coefficients(*({name: next(left) for name in group} for group in names))
            given = (
                self._dt,
                self._substeps,
                self._dtype,
                self._workload,
                self._renew,
            )
            steps = Steps(self._graph, parameters, *given)
            return tuple(steps._advance(before, frame, numbers).values())

        flat = [*state.values(), *flat_parameters(self._parameters)]
        return dict(zip(state, checkpoint(run, *flat, use_reentrant=True), strict=True))


def are_compiled(
    graph: Traced, state: Natives, parameters: Coefficients, workload: Workload, substeps: int
) -> bool:
    """True if steps from such a state run compiled."""
    size = sum(native.numel() for native in state.values())
    operations = graph.num_operations
    if has_tangents(state, parameters):
        operations *= _WITH_TANGENTS
    return graph.is_real and workload.repays(operations, substeps, size)


def repays_list(workload: Workload, steps: int) -> bool:
    """True if so many steps repay making a list of operations of them."""
    if workload.compile == "auto":
        return steps >= _FEWEST_LISTED
    return workload.compile != "never"


def state_size(state: Natives) -> int:
    """Size of a state [bytes]."""
    return sum(each.numel() * each.element_size() for each in state.values())


def largest_listed(is_complex: bool, parts: int) -> int:
    """Largest part of a batch that is advanced by a list [bytes]."""
    idle = max(torch.get_num_threads() // parts, 1)
    return max((_LARGEST_MODES if is_complex else _LARGEST_VALUES) // idle, _NEVER_SHARED)


def split_copies(state: Natives, count: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Values ``[B, …]`` and tangents ``[G, B, …]`` of a state ``[G·B, …]``."""
    pairs = [forward_ad.unpack_dual(native.contiguous()) for native in state.values()]
    values = [value[: len(value) // count] for value, _ in pairs]
    slopes = [
        (torch.zeros_like(value) if slope is None else slope).unflatten(0, (count, -1))
        for value, slope in pairs
    ]
    return values, slopes


def with_slopes(roles: Iterable[str], tensors: Sequence[torch.Tensor], count: int) -> Natives:
    """The inverse of :func:`split_copies`, of values followed by tangents."""
    half = len(tensors) // 2
    return {
        role: forward_ad.make_dual(torch.cat([value] * count), slope.flatten(0, 1))
        for role, value, slope in zip(roles, tensors[:half], tensors[half:], strict=True)
    }


def on_tensors(
    function: Callable[[Natives], Natives], roles: Iterable[str], *values: torch.Tensor
) -> list[torch.Tensor]:
    """A function of a state for the tensors of its roles, and for their tangents after them."""
    names = list(dict.fromkeys(roles))
    parts = [values[first : first + len(names)] for first in range(0, len(values), len(names))]
    return [
        each for part in parts for each in function(dict(zip(names, part, strict=True))).values()
    ]


def _groups(parameters: Coefficients) -> tuple[Natives, Natives, Natives]:
    return parameters.shared, parameters.individual, parameters.slopes


def flat_parameters(parameters: Coefficients) -> list[torch.Tensor]:
    """All parameters, in the order in which a step takes them."""
    return [value.contiguous() for group in _groups(parameters) for value in group.values()]


def with_directions(parameters: Coefficients) -> list[tuple[torch.Tensor, Direction]]:
    """The parameters and their tangents ``[G, …]``."""
    directions = parameters.directions
    pairs: list[tuple[torch.Tensor, Direction]] = []
    for name, native in parameters.shared.items():
        value, slope = forward_ad.unpack_dual(native.contiguous())
        own = None if slope is None else slope.unsqueeze(0)
        pairs.append((value, directions.shared.get(name, own)))
    for native in (*parameters.individual.values(), *parameters.slopes.values()):
        value, slope = forward_ad.unpack_dual(native.contiguous())
        rows = len(value) // directions.count
        own = None if slope is None else slope.unflatten(0, (directions.count, rows))
        pairs.append((value[:rows], own))
    return pairs
