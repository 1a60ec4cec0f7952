"""Pieces of graphs of native operations as functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from hybrid_pde.numerics.graph_recorder import Tensors
from hybrid_pde.numerics.graph_simplification import early_nodes

aten = torch.ops.aten

# Python bindings are called in less than half the time of operator overloads; their arguments are
# the same.
_BINDINGS: dict[Any, Callable[..., Any]] = {
    **{
        getattr(aten, name).Tensor: getattr(torch, name)
        for name in ("add", "sub", "mul", "div", "gt", "lt", "ge", "le", "eq", "remainder")
    },
    **{
        getattr(aten, name).Scalar: getattr(torch, name)
        for name in ("add", "sub", "mul", "div", "gt", "lt", "ge", "le", "eq", "remainder")
    },
    **{
        getattr(aten, name).default: getattr(torch, name)
        for name in (
            *("neg", "abs", "sign", "exp", "log", "sin", "cos", "tanh", "sqrt", "square"),
            *("reciprocal", "minimum", "maximum", "clone", "unsqueeze", "permute", "cat", "stack"),
            *("bmm", "mm", "real", "imag", "conj", "detach", "isfinite", "amax", "amin"),
            *("view_as_real", "view_as_complex", "_fft_r2c", "_fft_c2r", "_fft_c2c"),
        )
    },
    aten._conj.default: torch.conj_physical,  # lists of operations have no lazy conjugates
    aten.view.default: torch.Tensor.reshape,
    aten._unsafe_view.default: torch.Tensor.reshape,
    aten.expand.default: torch.Tensor.expand,
    aten.select.int: torch.select,
    aten.transpose.int: torch.transpose,
    aten.squeeze.dim: torch.squeeze,
    aten.squeeze.dims: torch.squeeze,
    aten.sum.dim_IntList: torch.sum,
    aten.sum.default: torch.sum,
    aten.pow.Tensor_Scalar: torch.pow,
    aten.where.self: torch.where,
    aten.linalg_vector_norm.default: torch.linalg.vector_norm,
    aten.addcmul.default: torch.addcmul,
}


@dataclass(frozen=True)
class Part:
    """A piece of a graph as a function.

    Attributes:
        module: The piece; its arguments are the constants and its inputs.
        constants: The constants.
    """

    module: fx.GraphModule
    constants: Tensors

    @property
    def call(self) -> Callable[..., tuple[torch.Tensor, ...]]:
        """The function of the constants and the inputs."""
        return self.module.forward


def split(
    graph: fx.Graph, constants: dict[fx.Node, torch.Tensor], num_held: int
) -> tuple[Part, Part, list[int]]:
    """The part that depends on held tensors only, and the rest.

    Returns:
        Both parts, and the tensors that the second one takes: numbers in the list of held tensors
        followed by the results of the first part.
    """
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    (output,) = (node for node in graph.nodes if node.op == "output")
    held, changing = inputs[:num_held], inputs[num_held:]
    early = early_nodes(graph, constants, num_held)
    late = [node for node in graph.nodes if node.op == "call_function" and node not in early]
    results = _results(output)
    used = {each for node in late for each in node.all_input_nodes} | set(results)
    computed = [node for node in graph.nodes if node in early and node.op == "call_function"]
    passed = [node for node in computed if node in used]
    available = [*held, *passed]
    kept = [node for node in available if node in used]
    prepare = _part(constants, held, computed, passed)
    run = _part(constants, [*kept, *changing], late, results)
    return prepare, run, [available.index(node) for node in kept]


def whole(graph: fx.Graph, constants: dict[fx.Node, torch.Tensor]) -> Part:
    """A graph as one function."""
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    (output,) = (node for node in graph.nodes if node.op == "output")
    nodes = [node for node in graph.nodes if node.op == "call_function"]
    return _part(constants, inputs, nodes, _results(output))


def _results(output: fx.Node) -> list[fx.Node]:
    results: Any = output.args[0]
    return list(results)


def _part(
    constants: dict[fx.Node, torch.Tensor],
    inputs: Sequence[fx.Node],
    nodes: Sequence[fx.Node],
    results: Sequence[fx.Node],
) -> Part:
    """Nodes as a function of constants and inputs."""
    used = {each for node in nodes for each in node.all_input_nodes} | set(results)
    own = [node for node in constants if node in used]
    graph, copies = fx.Graph(), {}
    for number, node in enumerate([*own, *inputs]):
        copies[node] = graph.placeholder(f"a{number}")
    for node in nodes:
        copies[node] = graph.node_copy(node, copies.__getitem__)
        _bind(copies[node], node)
    graph.output(tuple(copies[node] for node in results))
    return Part(fx.GraphModule(torch.nn.Module(), graph), [constants[node] for node in own])


def _bind(copy: fx.Node, original: fx.Node) -> None:
    """Call the Python binding of an operation; let tensors stay on their device."""
    target = original.target
    if "device" in copy.kwargs:
        copy.kwargs = {k: v for k, v in copy.kwargs.items() if k not in ("device", "pin_memory")}
    if target in _BINDINGS:
        copy.target = _BINDINGS[target]
    elif target == aten.slice.Tensor:
        given: list[Any] = [*copy.args, *(0, None, None, 1)[len(copy.args) - 1 :]]
        source, dim, begin, _, step = given
        if step == 1:
            length = original.meta["shape"][dim]
            size = original.all_input_nodes[0].meta["shape"][dim]
            begin = begin or 0
            begin = max(begin + size, 0) if begin < 0 else begin
            copy.target, copy.args = torch.narrow, (source, dim, min(begin, size), length)
