"""Simplifies graphs of native operations without changing their results by more than rounding."""

from typing import Any

import torch
from torch import fx

from hybrid_pde.numerics.fourier_graph import simplify_transforms
from hybrid_pde.numerics.held_values import HeldValues
from hybrid_pde.numerics.mode_sums import merge_factors

aten = torch.ops.aten

_ALIASES = (aten.alias.default, aten.lift_fresh.default)


def simplify(graph: fx.Graph, constants: dict[fx.Node, torch.Tensor], num_held: int) -> None:
    """Remove what is redundant from a graph.

    Args:
        graph: The graph; its nodes carry their ``shape`` and ``dtype``.
        constants: Its constants.
        num_held: Number of its arguments that are held; see :func:`early_nodes`.
    """
    _drop_copies(graph)
    _drop_zeros(graph)
    _drop_conjugates(graph)
    simplify_transforms(graph, early_nodes(graph, constants, num_held))
    _merge_equal(graph)
    _eliminate(graph)
    values = HeldValues(graph, constants, num_held)
    merge_factors(graph, early_nodes(graph, constants, num_held), values)
    _merge_equal(graph)
    _eliminate(graph)


def early_nodes(
    graph: fx.Graph, constants: dict[fx.Node, torch.Tensor], num_held: int
) -> set[fx.Node]:
    """The nodes that depend on held tensors and constants only."""
    early = {*[node for node in graph.nodes if node.op == "placeholder"][:num_held], *constants}
    for node in graph.nodes:
        if node.op == "call_function" and all(each in early for each in node.all_input_nodes):
            early.add(node)
    return early


def _drop_copies(graph: fx.Graph) -> None:
    """Use a tensor itself in place of a copy, a view or a selection with the same values."""
    for node in list(graph.nodes):
        if node.op != "call_function" or not node.args or not isinstance(node.args[0], fx.Node):
            continue
        source = node.args[0]
        is_same = node.target in _ALIASES
        if node.target in (aten._to_copy.default, aten.expand.default):
            is_same = all(node.meta[key] == source.meta[key] for key in ("shape", "dtype"))
        if is_same:
            node.replace_all_uses_with(source)
        elif node.target is aten.select.int and source.target is aten.stack.default:
            _drop_selection(node, source)


def _drop_selection(node: fx.Node, stacked: fx.Node) -> None:
    """Use one of several stacked tensors itself, if that is what is selected."""
    arguments: Any = stacked.args
    chosen: Any = node.args
    parts, axis = arguments[0], arguments[1] if len(arguments) > 1 else 0
    rank = len(stacked.meta["shape"])
    if axis % rank == chosen[1] % rank:
        node.replace_all_uses_with(parts[chosen[2]])


def _drop_zeros(graph: fx.Graph) -> None:
    """Remove additions of 0 and multiplications by 1, with which sums and products begin."""
    neutral = {aten.add.Tensor: 0, aten.mul.Tensor: 1}
    for node in list(graph.nodes):
        if node.target not in neutral:
            continue
        arguments: Any = node.args
        first, second = arguments
        is_neutral = isinstance(second, int) and second == neutral[node.target]
        if is_neutral and node.meta["dtype"] == first.meta["dtype"]:
            node.replace_all_uses_with(first)


def _drop_conjugates(graph: fx.Graph) -> None:
    """Use a number itself in place of the conjugate of its conjugate, with or without a sign.

    PyTorch's rules for forward mode conjugate the tangent before and after real operations.
    """
    for node in list(graph.nodes):
        if node.target is not aten._conj.default:
            continue
        source, num_signs = node.args[0], 0
        while source.target in (aten.clone.default, aten.neg.default):
            num_signs += source.target is aten.neg.default
            source = source.args[0]
        if source.target is not aten._conj.default:
            continue
        value = source.args[0]
        if num_signs % 2:
            with graph.inserting_before(node):
                negative = graph.call_function(aten.neg.default, (value,), {})
            negative.meta.update(value.meta)
            value = negative
        node.replace_all_uses_with(value)


def _merge_equal(graph: fx.Graph) -> None:
    """Compute equal expressions once."""
    known: dict[Any, fx.Node] = {}
    for node in list(graph.nodes):
        if node.op == "call_function":
            same = known.setdefault((node.target, repr(node.args), repr(node.kwargs)), node)
            if same is not node:
                node.replace_all_uses_with(same)


def _eliminate(graph: fx.Graph) -> None:
    """Remove the operations that no result depends on."""
    for node in reversed(list(graph.nodes)):
        if node.op == "call_function" and not node.users:
            graph.erase_node(node)
