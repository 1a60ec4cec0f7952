"""The adjoint of a graph as a function of tensors, with transforms of real fields only.

PyTorch's own adjoint of a transform of real fields is a transform of complex ones, which lists of
operations do not have.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import fx

from hybrid_pde.numerics.graph_part import Part
from hybrid_pde.numerics.graph_recorder import Tensors

_BY_N = 2  # PyTorch's name of the factor 1/n of a transform


def pullback(part: Part) -> Callable[[Tensors, Tensors, Tensors, Tensors], list[torch.Tensor]]:
    """A function of held tensors, cotangents of the results, states, and other changing tensors.

    It returns the cotangents of the states: derivatives of a number with respect to the states,
    from its derivatives with respect to the results.

    Args:
        part: A function of constants, held tensors, states and other changing tensors.
    """
    module = fx.GraphModule(torch.nn.Module(), fx.Graph())
    module.graph = _with_adjoints(part.module.graph)
    module.recompile()

    def run(held: Tensors, slopes: Tensors, states: Tensors, others: Tensors) -> list[torch.Tensor]:
        def step(*own: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(module.forward(*part.constants, *held, *own, *others))

        pull: Any = torch.func.vjp(step, *states)[1]
        return [found.contiguous() for found in pull(tuple(slopes))]

    return run


def _with_adjoints(graph: fx.Graph) -> fx.Graph:
    """A copy of a graph whose transforms have adjoints of the same kind."""
    copy = fx.Graph()
    copy.output(copy.graph_copy(graph, {}))
    for node in copy.nodes:
        if node.op == "call_function" and node.target is torch._fft_r2c:
            node.target = _to_modes
        elif node.op == "call_function" and node.target is torch._fft_c2r:
            node.target = _to_values
    return copy


def _to_modes(values: torch.Tensor, dims: list[int], scale: int, half: bool) -> torch.Tensor:
    if scale or not half:
        return torch._fft_r2c(values, dims, scale, half)
    modes: torch.Tensor = _ToModes.apply(values, tuple(dims))
    return modes


def _to_values(modes: torch.Tensor, dims: list[int], scale: int, last: int) -> torch.Tensor:
    if scale != _BY_N:
        return torch._fft_c2r(modes, dims, scale, last)
    values: torch.Tensor = _ToValues.apply(modes, tuple(dims), last)
    return values


class _ToModes(torch.autograd.Function):
    """m = F v. Of a number with ∂/∂m = g the derivative ∂/∂v is Re Fᴴ g."""

    @staticmethod
    def forward(values: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
        return torch._fft_r2c(values, dims, 0, True)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: torch.Tensor) -> None:
        values, ctx.dims = inputs
        ctx.sizes = [values.shape[dim] for dim in ctx.dims]

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> Any:
        weights = prod(ctx.sizes) / _multiplicity(ctx.sizes[-1], slope)
        return torch._fft_c2r(slope * weights, ctx.dims, _BY_N, ctx.sizes[-1]), None


class _ToValues(torch.autograd.Function):
    """v = F⁻¹ m, of half of the modes; the others have the conjugate values."""

    @staticmethod
    def forward(modes: torch.Tensor, dims: tuple[int, ...], last: int) -> torch.Tensor:
        return torch._fft_c2r(modes, dims, _BY_N, last)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: torch.Tensor) -> None:
        _, ctx.dims, _ = inputs
        ctx.sizes = [output.shape[dim] for dim in ctx.dims]

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> Any:
        modes = torch._fft_r2c(slope, ctx.dims, 0, True)
        return modes * (_multiplicity(ctx.sizes[-1], modes) / prod(ctx.sizes)), None, None


def _multiplicity(last: int, modes: torch.Tensor) -> torch.Tensor:
    """Number of modes of the full spectrum for each mode of the half."""
    weights = torch.full((last // 2 + 1,), 2.0, dtype=modes.dtype.to_real())
    weights[0] = 1.0
    if last % 2 == 0:
        weights[-1] = 1.0
    return weights
