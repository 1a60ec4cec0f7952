"""Functions traced once for each combination of shapes, and run as graphs."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from hybrid_pde.numerics.batch_parts import Parts
from hybrid_pde.numerics.directional_derivatives import (
    Direction,
    Pushforward,
    one_after_the_other,
)
from hybrid_pde.numerics.graph_recorder import Tensors, UntraceableError
from hybrid_pde.numerics.native_graph import HeldProgram, NativeGraph, Observation, Renewal

logger = logging.getLogger(__name__)

# Size of the values at which a graph is compared with its function: small steps of smooth rates,
# at which rounding errors stay small; and the largest such error.
_SIZE = 1e-2
_ROUNDING = {
    torch.float32: 1e-5,
    torch.complex64: 1e-5,
    torch.float64: 1e-10,
    torch.complex128: 1e-10,
}
_CPU = torch.device("cpu")
Function = Callable[[Tensors, Tensors], Tensors]


class Traced(Protocol):
    """A function of held and changing tensors."""

    num_operations: int
    num_results: int
    is_real: bool

    def adjoint(self) -> NativeGraph | None:
        """The graph of its adjoint, see :meth:`NativeGraph.adjoint`."""

    def hold(
        self, held: Tensors, device: torch.device, compiled: bool = False
    ) -> Callable[[Tensors], Tensors]:
        """The function of the changing tensors alone, see :meth:`NativeGraph.hold`."""

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
        """The function as a list of operations, see :meth:`NativeGraph.program`."""

    def derivative(
        self, directions: Sequence[Direction], num_states: int, count: int
    ) -> NativeGraph | None:
        """The graph with derivatives, see :meth:`NativeGraph.derivative`."""

    def hold_derivatives(
        self,
        held: Tensors,
        directions: Sequence[Direction],
        num_states: int,
        device: torch.device,
        compiled: bool = False,
    ) -> Pushforward:
        """The function with its derivatives, see :meth:`NativeGraph.hold_derivatives`."""


class TracedFunctions:
    """The graphs of one equation.

    Args:
        label: Names the equation and scheme in messages.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._graphs: dict[str, Traced] = {}

    def get(
        self,
        key: object,
        function: Function,
        held: Tensors,
        changing: Tensors,
        valid: Callable[[Tensors], Tensors] = list,
    ) -> Traced:
        """The graph of a function for the shapes of its arguments.

        A function that cannot be traced is run as it stands, which gives the same values.

        Args:
            key: Identifies the function.
            function: The function, traced if there is no graph for these shapes.
            held: Tensors of the shapes and types of the first arguments.
            changing: Those of the second ones.
            valid: Makes second arguments that the function allows of random tensors.
        """
        shapes = [(value.shape, value.dtype) for value in (*held, *changing)]
        name = repr((key, len(held), shapes))
        if name not in self._graphs:
            try:
                self._graphs[name] = _traced(function, held, changing, valid)
            except Exception as problem:  # an error of the function itself is raised when it runs
                self._graphs[name] = _Untraced(function, self._label, problem)
        return self._graphs[name]


def _traced(
    function: Function, held: Tensors, changing: Tensors, valid: Callable[[Tensors], Tensors]
) -> NativeGraph:
    """The graph of a function, compared with the function at values other than the traced ones.

    A value that left the tensors, e.g. as a NumPy array, would be the same for ever.
    """
    # Without derivatives: a trace would record them, too.
    ones = [torch.ones(value.shape, dtype=value.dtype) for value in held]
    zeros = [torch.zeros(value.shape, dtype=value.dtype) for value in changing]
    graph = NativeGraph(function, ones, zeros)
    generator = torch.Generator().manual_seed(0)
    others = [
        [_SIZE * torch.rand(v.shape, generator=generator, dtype=v.dtype) for v in group]
        for group in (held, changing)
    ]
    others[1] = list(valid(others[1]))
    with torch.no_grad():
        expected, found = function(*others), graph.hold(others[0], _CPU)(others[1])
    for one, other in zip(expected, found, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        both = torch.isfinite(one) & torch.isfinite(other)
        error = torch.where(both, one - other, 0).abs().max()
        size = torch.where(both, one, 0).abs().max()
        if error > _ROUNDING[one.dtype] * size:
            raise UntraceableError("a value was taken out of the tensors")
    return graph


class _Untraced:
    """A function that is run as it stands, and says so once it has run.

    Args:
        function: The function.
        label: Its name.
        problem: Why it cannot be traced.
    """

    num_operations = num_results = 0
    is_real = False  # never compiled

    def __init__(self, function: Function, label: str, problem: Exception) -> None:
        self._function, self._label = function, label
        reason = str(problem).strip().splitlines() or [type(problem).__name__]
        self._reason: str | None = reason[0]

    def hold(
        self, held: Tensors, device: torch.device, compiled: bool = False
    ) -> Callable[[Tensors], Tensors]:
        """The function of the changing tensors alone."""

        def run(changing: Tensors) -> Tensors:
            found = self._function(held, changing)
            if self._reason is not None:
                logger.warning(
                    "%s: cannot be traced to a graph of tensor operations and runs several times "
                    "slower (%s); a right-hand side may use the operations of phiml.math only, and "
                    "no branch may depend on a value",
                    self._label,
                    self._reason,
                )
                self._reason = None
            return found

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
    ) -> None:
        """There is none."""

    def adjoint(self) -> None:
        """There is none."""

    def derivative(self, directions: Sequence[Direction], num_states: int, count: int) -> None:
        """There is none."""

    def hold_derivatives(
        self,
        held: Tensors,
        directions: Sequence[Direction],
        num_states: int,
        device: torch.device,
        compiled: bool = False,
    ) -> Pushforward:
        """The function with its derivatives, direction by direction."""

        def flat(*tensors: torch.Tensor) -> Tensors:
            return self._function(tensors[: len(held)], tensors[len(held) :])

        return one_after_the_other(flat, held, directions)
