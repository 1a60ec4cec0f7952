"""Combines sums of modes in graphs of native operations, so that each term is one operation.

A step of an exponential integrator is a sum of modes times factors, most of which are held:
derivatives, parameters, weights. Factors of the same modes are added before the step:

    (a m + b n) − c m = (a − c) m + b n.

A sum that is only used times one factor is a sum of products with it. Factors that vanish for all
held values, as where a linear term cancels, are left out. Results change by rounding errors.
"""

from collections.abc import Iterator
from functools import partial, reduce
from typing import Any

import torch
from torch import fx

from hybrid_pde.numerics.held_values import HeldValues

aten = torch.ops.aten

_SIGNS = {aten.add.Tensor: 1, aten.sub.Tensor: -1}
# A sign, modes, and a factor of the modes.
_Term = tuple[int, fx.Node, fx.Node | None]


def merge_factors(graph: fx.Graph, held: set[fx.Node], values: HeldValues) -> None:
    """Rewrite products and sums of complex tensors.

    Args:
        graph: The graph; its nodes carry their ``shape`` and ``dtype``.
        held: Nodes that are computed once; new ones are added.
        values: Values of the held nodes.
    """
    join_sum = partial(_join_sum, values)
    for rewrite in (_join_product, join_sum, _distribute, join_sum):
        for node in list(graph.nodes):
            if _is_complex(node) and node not in held:
                with graph.inserting_before(node):
                    rewrite(graph, node, held)
        for node in reversed(list(graph.nodes)):
            if node.op == "call_function" and not node.users:
                graph.erase_node(node)  # it would count as a user
                held.discard(node)


def _join_product(graph: fx.Graph, node: fx.Node, held: set[fx.Node]) -> None:
    """Replace a (b m) by (a b) m."""
    if (outer := _factors(node, held)) is None:
        return
    inner = _factors(outer[0], held)
    if inner is not None and _is_complex(inner[0]):
        node.args = (inner[0], _call(graph, held, aten.mul.Tensor, inner[1], outer[1]))


def _distribute(graph: fx.Graph, node: fx.Node, held: set[fx.Node]) -> None:
    """Replace a (b m + n) by (a b) m + a n, if the sum is used nowhere else."""
    if (product := _factors(node, held)) is None:
        return
    total, outer = product
    if not _is_sum(total) or len(total.users) > 1 or _shape(total) != _shape(node):
        return
    result = None
    for sign, modes, factor in _terms(total, 1, held):
        both = outer if factor is None else _call(graph, held, aten.mul.Tensor, factor, outer)
        if result is None and sign < 0:
            both = _call(graph, held, aten.neg.default, both)
        term = _call(graph, held, aten.mul.Tensor, modes, both)
        if result is None:
            result = term
        else:
            target = aten.add.Tensor if sign > 0 else aten.sub.Tensor
            result = _call(graph, held, target, result, term)
    assert result is not None
    node.replace_all_uses_with(result)


def _join_sum(values: HeldValues, graph: fx.Graph, node: fx.Node, held: set[fx.Node]) -> None:
    """Replace a sum by one product for each of its modes."""
    if not _is_sum(node) or (len(node.users) == 1 and _is_sum(*node.users)):
        return
    plain: list[_Term] = []
    products: dict[fx.Node, list[tuple[int, fx.Node]]] = {}
    for sign, modes, factor in _terms(node, 1, held):
        if factor is None:
            plain.append((sign, modes, None))
            continue
        while (inner := _factors(modes, held)) is not None:
            modes, factor = inner[0], _call(graph, held, aten.mul.Tensor, inner[1], factor)
        products.setdefault(modes, []).append((sign, factor))
    left = {m: each for m, each in products.items() if len(each) == 1 or not values.vanishes(each)}
    products = left if left or plain else products
    plain.sort(key=lambda term: -term[0])
    if not products or (plain and plain[0][0] < 0):
        return  # nothing to combine, or a sum that begins with a minus
    combined = [(modes, _combined(graph, held, terms)) for modes, terms in products.items()]
    total = plain.pop(0)[1] if plain else _call(graph, held, aten.mul.Tensor, *combined.pop(0))
    for sign, modes, _ in plain:
        target = aten.add.Tensor if sign > 0 else aten.sub.Tensor
        total = _call(graph, held, target, total, modes)
    for modes, factor in combined:
        total = _call(graph, held, aten.addcmul.default, total, modes, factor)
        total.meta["factor"] = factor
    node.replace_all_uses_with(total)


def _combined(graph: fx.Graph, held: set[fx.Node], terms: list[tuple[int, fx.Node]]) -> fx.Node:
    """The sum of factors times their signs."""
    (sign, total), *others = terms
    if sign < 0:
        total = _call(graph, held, aten.neg.default, total)
    for sign, factor in others:
        target = aten.add.Tensor if sign > 0 else aten.sub.Tensor
        total = _call(graph, held, target, total, factor)
    return total


def _terms(node: fx.Node, sign: int, held: set[fx.Node], root: bool = True) -> Iterator[_Term]:
    """The terms of a sum; a sum that is used elsewhere, too, is a term."""
    if _is_sum(node) and (root or len(node.users) == 1):
        arguments: Any = node.args
        if node.target == aten.addcmul.default:
            total, modes, factor = arguments
            yield from _terms(total, sign, held, False)
            yield sign, modes, factor
        else:
            first, second = arguments
            yield from _terms(first, sign, held, False)
            yield from _terms(second, sign * _sign(node), held, False)
        return
    product = _factors(node, held) if len(node.users) == 1 or not root else None
    yield (sign, node, None) if product is None else (sign, *product)


def _factors(node: Any, held: set[fx.Node]) -> tuple[fx.Node, fx.Node] | None:
    """Modes and the held factor of a product of the two."""
    if not isinstance(node, fx.Node) or node in held or node.target != aten.mul.Tensor:
        return None
    first, second = _operands(node)
    if second in held and _is_complex(first):
        return first, second
    if first in held and _is_complex(second):
        return second, first
    return None


def _call(graph: fx.Graph, held: set[fx.Node], target: Any, *args: fx.Node) -> fx.Node:
    node = graph.call_function(target, args, {})
    node.meta["dtype"] = reduce(torch.promote_types, (each.meta["dtype"] for each in args))
    node.meta["shape"] = torch.broadcast_shapes(*map(_shape, args))
    if all(each in held for each in args):
        held.add(node)
    return node


def _operands(node: fx.Node) -> tuple[Any, Any]:
    arguments: Any = node.args
    first, second = arguments
    return first, second


def _sign(node: fx.Node) -> int:
    """Sign of the second term of a sum."""
    target: Any = node.target
    return _SIGNS[target]


def _is_sum(node: fx.Node) -> bool:
    """True for sums of modes, and for modes plus products with a factor as made here."""
    if node.target == aten.addcmul.default:
        return _is_complex(node) and not node.kwargs and "factor" in node.meta
    return node.target in _SIGNS and all(map(_is_complex, node.args)) and not node.kwargs


def _is_complex(node: Any) -> bool:
    return isinstance(node, fx.Node) and "dtype" in node.meta and node.meta["dtype"].is_complex


def _shape(node: fx.Node) -> torch.Size:
    shape: torch.Size = node.meta["shape"]
    return shape
