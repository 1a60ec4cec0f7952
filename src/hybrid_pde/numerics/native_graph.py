"""Graphs of native tensor operations, traced once from a function of tensors.

A graph calls PyTorch directly: it has neither the named dimensions nor the Python of the traced
function, which is many times as expensive as the arithmetic on small grids. Forward- and
reverse-mode derivatives go through its operations.

Shapes, data types and the branches of Python are those of the trace. (PyTorch's own tracer,
``make_fx``, records the same operations but takes 2 ms for each.)

Layout: ``G`` directions of derivatives.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hybrid_pde.numerics.adjoint_function import pullback
from hybrid_pde.numerics.array_program import ArrayProgram, ProgramCache
from hybrid_pde.numerics.batch_parts import Parts
from hybrid_pde.numerics.compiled_adjoint import CompiledAdjoint
from hybrid_pde.numerics.directional_derivatives import Direction, Pushforward, along, directional
from hybrid_pde.numerics.graph_part import split, whole
from hybrid_pde.numerics.graph_recorder import Tensors, UntraceableError, record
from hybrid_pde.numerics.graph_simplification import simplify
from hybrid_pde.numerics.operation_list import UnsupportedError

logger = logging.getLogger(__name__)

Observation = Callable[[Tensors, Tensors], Tensors]
Renewal = Callable[..., list[torch.Tensor]]
_CPU = torch.device("cpu")
Run = Callable[[Tensors], tuple[torch.Tensor, ...]]


@dataclass(frozen=True)
class _Listed:
    """A list of operations, and the graph of what is observed."""

    program: ArrayProgram
    observer: "NativeGraph"

    @property
    def num_bytes(self) -> int:
        return self.program.num_bytes


# Lists that are kept for other values of the held tensors: 256 MB in all.
_PROGRAMS: ProgramCache[_Listed] = ProgramCache(2**28)


@dataclass(frozen=True)
class HeldProgram:
    """A list of operations with its held tensors.

    Attributes:
        program: The list, which others may use with other held tensors.
        kept: Constants and held tensors; those of each part of a batch are ``[P, …]``.
        parts: The parts; ``None`` if the batch is not divided.
        kept_by_part: Whether they are those of each part.
    """

    program: ArrayProgram
    kept: Tensors
    parts: Parts | None = None
    kept_by_part: bool = False

    def run(
        self, changing: Tensors, first: int, steps: int, frames: int
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The states after each frame, and what is observed: see :meth:`ArrayProgram.run`."""
        counts = first, steps, frames
        return self.program.run(self.kept, changing, counts, self.parts, self.kept_by_part)


class NativeGraph:
    """A traced function of held and changing tensors.

    What depends on held tensors only is computed once by :meth:`hold`, what depends on neither once
    by the trace.

    Args:
        function: Tensors from held and changing tensors; without side effects.
        held: Examples of the held tensors, without derivatives.
        changing: Examples of the changing tensors.

    Attributes:
        num_operations: Number of operations that are repeated.
        num_results: Number of results.
        is_real: Whether there are no complex tensors.

    Raises:
        UntraceableError: if the function cannot be traced, e.g. as a branch depends on a value.
    """

    def __init__(
        self, function: Callable[[Tensors, Tensors], Tensors], held: Tensors, changing: Tensors
    ) -> None:
        def flat(*tensors: torch.Tensor) -> list[torch.Tensor]:
            return list(function(tensors[: len(held)], tensors[len(held) :]))

        self._graph, self._constants = record(flat, [*held, *changing])
        simplify(self._graph, self._constants, len(held))
        self._prepare, self._run, self._kept = split(self._graph, self._constants, len(held))
        self.num_operations = len(self._run.module.graph.nodes)
        results: Any = self._run.module.graph.output_node().args[0]
        self.num_results = len(results)
        self._num_held = len(held)
        self._compiled = CompiledAdjoint(self._run)
        self.is_real = not any(
            node.meta["dtype"].is_complex for node in self._graph.nodes if "dtype" in node.meta
        )
        self._is_listable = self._has_adjoint = True
        self._on_device: dict[torch.device, tuple[Tensors, Tensors]] = {}
        self._derivatives: dict[tuple[object, ...], NativeGraph] = {}
        self._adjoint: NativeGraph | None = None

    def hold(self, held: Tensors, device: torch.device, compiled: bool = False) -> Run:
        """The function of the changing tensors alone.

        Args:
            held: The held tensors.
            device: Device of all tensors.
            compiled: Whether to run it compiled where that is possible; the changing tensors are
                then contiguous.
        """
        kept = self._kept_values(held, device)
        call: Callable[..., tuple[torch.Tensor, ...]] | None = self._run.call
        if compiled and self.is_real:
            call = None

        def run(changing: Tensors) -> tuple[torch.Tensor, ...]:
            nonlocal call
            if call is None:
                call = self._compiled.fitting([*kept, *changing])
            return call(*kept, *changing)

        return run

    def program(
        self,
        held: Sequence[Tensors],
        changing: Tensors,
        observed: Sequence[Observation],
        renewal: Renewal | None = None,
        period: int = 1,
        key: object = None,
        parts: Parts | None = None,
    ) -> HeldProgram | None:
        """The function as a list of operations that runs without Python, on the CPU.

        Its results replace the first changing tensors.

        Args:
            held: The held tensors of each part of a batch, or of all.
            changing: Examples of the changing tensors of a part.
            observed: Functions of held tensors and states; the results of the first one that the
                list can have are wanted after each frame.
            renewal: A function of the states, run before a step now and then.
            period: Number of steps after which it is.
            key: Identifies these functions; the list is used again for the same ones.
            parts: The parts; ``None`` if the batch is not divided.

        Returns:
            The list; ``None`` if there is an operation that it cannot have, or no compiler.
        """
        if not self._is_listable:
            return None
        plain = [[each.detach() for each in own] for own in held]
        name = (self, key, period, tuple(each.shape for each in changing), parts is None)
        made = None if key is None else _PROGRAMS.get(name)
        if made is None:
            given = plain[0], changing
            made = self._listed(given, observed, renewal, period, parts is not None)
            if made is None:
                self._is_listable = False
                return None
            if key is not None:
                _PROGRAMS.put(name, made)
        both = self, made.observer
        kept = [[u for graph in both for u in graph._kept_values(own, _CPU)] for own in plain]
        if len(kept) == 1:
            return HeldProgram(made.program, kept[0], parts)
        stacked = [torch.stack(each) for each in zip(*kept, strict=True)]
        return HeldProgram(made.program, stacked, parts, True)

    def _listed(
        self,
        given: tuple[Tensors, Tensors],
        observed: Sequence[Observation],
        renewal: Renewal | None,
        period: int,
        on_one_thread: bool,
    ) -> _Listed | None:
        """A new list of operations; ``None`` if it cannot be made."""
        held, changing = given
        kept = self._kept_values(held, _CPU)
        states = changing[: self.num_results]
        part = None if renewal is None else whole(*record(renewal, states))
        for function in observed:
            try:
                observer = NativeGraph(function, held, states)
                own = observer._run, observer._kept_values(held, _CPU)
                program = ArrayProgram(self._run, kept, changing, own, part, period, on_one_thread)
                return _Listed(program, observer)
            except (UnsupportedError, UntraceableError) as problem:
                logger.debug("a graph is run operation by operation: %s", problem)
        return None

    def derivative(
        self, directions: Sequence[Direction], num_states: int, count: int
    ) -> "NativeGraph":
        """The graph of the function and its derivatives along several directions.

        Its held tensors are those of the function and the given tangents ``[G, …]`` of them; its
        changing ones the states, their tangents ``[G, …]``, and the other changing ones; its
        results the next states and their tangents.

        Args:
            directions: Tangents of the held tensors, ``None`` where there is none.
            num_states: Number of changing tensors that have tangents; they come first.
            count: Number of directions G.

        Raises:
            UntraceableError: if the derivative of an operation cannot be traced.
        """
        moving = tuple(direction is not None for direction in directions)
        key = (moving, num_states, count)
        if key not in self._derivatives:
            self._derivatives[key] = self._differentiated(moving, num_states, count)
        return self._derivatives[key]

    def hold_derivatives(
        self,
        held: Tensors,
        directions: Sequence[Direction],
        num_states: int,
        device: torch.device,
        compiled: bool = False,
    ) -> Pushforward:
        """The function of the changing tensors and its derivatives along several directions.

        Args:
            held: The held tensors.
            directions: Tangents ``[G, …]`` of the held tensors, ``None`` where there is none, for
                ``G`` directions; at least one of them, or of the changing tensors, is given.
            num_states: Number of changing tensors that have tangents; they come first.
            device: Device of all tensors.
            compiled: As in :meth:`hold`.

        Raises:
            UntraceableError: if the derivative of an operation cannot be traced.
        """
        own = [direction for direction in directions if direction is not None]
        run: Run | None = None

        def push(changing: Tensors, tangents: Tensors) -> tuple[Tensors, Tensors]:
            nonlocal run
            if run is None:
                graph = self.derivative(directions, num_states, len(tangents[0]))
                run = graph.hold([*held, *own], device, compiled)
            results = run([*changing[:num_states], *tangents, *changing[num_states:]])
            return results[:num_states], results[num_states:]

        return push

    def adjoint(self) -> "NativeGraph | None":
        """The graph of the adjoint of the derivative with respect to the states.

        The states are the first changing tensors, of the shapes of the results. The held tensors
        are those of the function; the changing ones are cotangents of the results and then those of
        the function; the results are cotangents of the states. ``None`` if it cannot be traced.
        """
        if self._adjoint is None and self._has_adjoint:
            pull, count = pullback(whole(self._graph, self._constants)), self.num_results
            held, changing = self._examples()

            def function(fixed: Tensors, moving: Tensors) -> Tensors:
                now = moving[count:]
                return pull(fixed, moving[:count], now[:count], now[count:])

            try:
                self._adjoint = NativeGraph(function, held, [*changing[:count], *changing])
            except (UntraceableError, RuntimeError) as problem:
                logger.debug("a graph has no adjoint: %s", problem)
                self._has_adjoint = False
        return self._adjoint

    def _examples(self) -> tuple[Tensors, Tensors]:
        """Held and changing tensors of the right shapes."""
        inputs = [node.meta for node in self._graph.nodes if node.op == "placeholder"]
        make = [torch.ones] * self._num_held + [torch.zeros] * (len(inputs) - self._num_held)
        values = [m(i["shape"], dtype=i["dtype"]) for m, i in zip(make, inputs, strict=True)]
        return values[: self._num_held], values[self._num_held :]

    def _differentiated(
        self, held_tangents: Sequence[bool], num_states: int, size: int
    ) -> "NativeGraph":
        held, changing = self._examples()
        values = [*held, *changing]
        num_changing = len(changing) - num_states
        moves = [*held_tangents, *[True] * num_states, *[False] * num_changing]
        own = [value for value, moving in zip(held, held_tangents, strict=True) if moving]
        part = whole(self._graph, self._constants)
        single = along(lambda *given: part.call(*part.constants, *given), moves)
        # One direction first, then the same operations for all.
        graph, constants = record(
            lambda *given: list(single(given[: len(values)], given[len(values) :])),
            [*values, *own, *changing[:num_states]],
        )
        simplify(graph, constants, 0)
        one = whole(graph, constants)

        def several(fixed: Tensors, moving: Tensors) -> Tensors:
            before, after = fixed[: len(held)], fixed[len(held) :]
            tangents = moving[num_states : 2 * num_states]
            now = [*moving[:num_states], *moving[2 * num_states :]]
            return directional(
                lambda given: one.call(*one.constants, *before, *now, *given), [*after, *tangents]
            )

        def repeated(tensors: Tensors) -> Tensors:
            return [value.expand(size, *value.shape).contiguous() for value in tensors]

        return NativeGraph(
            several,
            [*held, *repeated(own)],
            [*changing[:num_states], *repeated(changing[:num_states]), *changing[num_states:]],
        )

    def _kept_values(self, held: Tensors, device: torch.device) -> Tensors:
        """The tensors that the repeated operations take besides the changing ones."""
        first, second = self._constants_on(device)
        available = [*held, *self._prepare.call(*first, *held)]
        return [*second, *(available[number] for number in self._kept)]

    def _constants_on(self, device: torch.device) -> tuple[Tensors, Tensors]:
        if device not in self._on_device:
            self._on_device[device] = (
                [constant.to(device) for constant in self._prepare.constants],
                [constant.to(device) for constant in self._run.constants],
            )
        return self._on_device[device]
