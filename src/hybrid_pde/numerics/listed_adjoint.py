"""Reverse-mode derivatives of steps that run as lists of operations.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from hybrid_pde.numerics.graph_recorder import Tensors
from hybrid_pde.numerics.native_graph import HeldProgram
from hybrid_pde.numerics.traced_functions import Traced

_ONE_STEP = 0, 1, 1


class ListedAdjoint:
    """A step with derivatives with respect to its states, both without Python.

    Args:
        step: The step.
        adjoint: Cotangents of the states before, from those after, see :meth:`NativeGraph.adjoint`.
    """

    def __init__(self, step: HeldProgram, adjoint: HeldProgram) -> None:
        self._step, self._adjoint = step, adjoint

    @classmethod
    def of(cls, graph: Traced, held: Tensors, changing: Tensors) -> "ListedAdjoint | None":
        """The step of a graph; ``None`` if it has operations that lists cannot have.

        Args:
            graph: The graph.
            held: Its held tensors, without derivatives.
            changing: Examples of its changing tensors; the states come first.
        """
        examples = [each.detach() for each in changing]
        step = graph.program([held], examples, [_nothing], key="step")
        if step is None:
            return None
        adjoint = graph.adjoint()
        if adjoint is None:
            return None
        states = examples[: graph.num_results]
        program = adjoint.program([held], [*states, *examples], [_nothing], key="adjoint")
        return None if program is None else cls(step, program)

    def run(self, changing: Tensors) -> tuple[torch.Tensor, ...]:
        """The states after the step, differentiable with respect to those before."""
        if torch.is_grad_enabled() and any(each.requires_grad for each in changing):
            results: tuple[torch.Tensor, ...] = _Call.apply(self, *changing)
            return results
        return self.step(changing)

    def step(self, changing: Tensors) -> tuple[torch.Tensor, ...]:
        """The states after the step."""
        return tuple(each[0] for each in self._step.run(changing, *_ONE_STEP)[0])

    def pull_back(self, slopes: Tensors, changing: Tensors) -> list[torch.Tensor]:
        """Derivatives of a number with respect to the states before, from those after."""
        return [each[0] for each in self._adjoint.run([*slopes, *changing], *_ONE_STEP)[0]]


class _Call(torch.autograd.Function):
    """One step."""

    @staticmethod
    def forward(ctx: Any, adjoint: ListedAdjoint, *changing: torch.Tensor) -> Any:
        ctx.adjoint = adjoint
        ctx.save_for_backward(*changing)
        return adjoint.step(changing)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[Any, ...]:
        changing = ctx.saved_tensors
        found = ctx.adjoint.pull_back(slopes, changing)
        return None, *found, *[None] * (len(changing) - len(found))


def _nothing(held: Tensors, states: Tensors) -> Tensors:
    return []
