"""Reverse-mode derivatives through compiled pieces of graphs.

The backward pass recomputes a piece together with its derivatives, so that only its arguments are
kept.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from hybrid_pde.numerics.compiled_part import Call, CompiledPart
from hybrid_pde.numerics.graph_part import Part, whole
from hybrid_pde.numerics.graph_recorder import Tensors, record
from hybrid_pde.numerics.graph_simplification import simplify


class CompiledAdjoint:
    """A compiled piece of a graph that reverse mode can differentiate.

    Args:
        part: The piece, of real tensors.
    """

    def __init__(self, part: Part) -> None:
        self._part, self._compiled = part, CompiledPart(part)
        self._pullbacks: dict[tuple[bool, ...], tuple[CompiledPart, Tensors]] = {}

    def fitting(self, arguments: Tensors) -> Call:
        """The function for tensors of the memory layout of these."""
        call = self._compiled.fitting([each.detach() for each in arguments])

        def run(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
            if torch.is_grad_enabled() and any(each.requires_grad for each in tensors):
                results: tuple[torch.Tensor, ...] = _Call.apply(self, call, *tensors)
                return results
            return call(*tensors)

        return run

    def pull_back(
        self, arguments: Tensors, needed: Sequence[bool], slopes: Tensors
    ) -> list[torch.Tensor | None]:
        """Derivatives of a number with respect to the arguments.

        Args:
            arguments: The arguments.
            needed: Which derivatives are wanted; ``None`` is returned for the others.
            slopes: Derivatives of the number with respect to the results.
        """
        key = tuple(needed)
        if key not in self._pullbacks:
            made = _pullback(self._part, arguments, key, slopes)
            self._pullbacks[key] = CompiledPart(made), made.constants
        pullback, constants = self._pullbacks[key]
        given = [*constants, *arguments, *(slope.contiguous() for slope in slopes)]
        found = iter(pullback.fitting(given)(*given))
        return [next(found) if is_needed else None for is_needed in needed]


class _Call(torch.autograd.Function):
    """One call of a compiled piece."""

    @staticmethod
    def forward(
        ctx: Any, adjoint: CompiledAdjoint, call: Call, *tensors: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        ctx.adjoint = adjoint
        ctx.save_for_backward(*tensors)
        return tuple(call(*tensors))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[Any, ...]:
        needed = ctx.needs_input_grad[2:]
        return None, None, *ctx.adjoint.pull_back(ctx.saved_tensors, needed, slopes)


def _pullback(part: Part, arguments: Tensors, needed: Sequence[bool], slopes: Tensors) -> Part:
    """The graph of the derivatives with respect to the needed arguments."""
    count = len(arguments)

    def derivatives(*given: torch.Tensor) -> list[torch.Tensor]:
        def function(*own: torch.Tensor) -> tuple[torch.Tensor, ...]:
            left = iter(own)
            return part.call(
                *(next(left) if wanted else u for u, wanted in zip(given, needed, strict=False))
            )

        own = [u for u, wanted in zip(given, needed, strict=False) if wanted]
        pull: Any = torch.func.vjp(function, *own)[1]
        return [found.contiguous() for found in pull(tuple(given[count:]))]

    examples = [torch.ones(u.shape, dtype=u.dtype) for u in (*arguments, *slopes)]
    graph, constants = record(derivatives, examples)
    simplify(graph, constants, 0)
    return whole(graph, constants)
