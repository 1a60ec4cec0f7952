"""Removes redundant Fourier transforms from graphs of native operations.

A rate is a sum of terms, each transformed back to values, and an exponential integrator
transforms it to modes again. The transform is linear: the modes of a sum are the sum of the modes,
and those of a term that has just been transformed back are known:

    F(a F⁻¹(m) + b) = a m + F(b),  a uniform in space.

Modes are those of real fields. Results change by rounding errors.
"""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import fx

aten = torch.ops.aten

_SUMS = (aten.add.Tensor, aten.sub.Tensor)
_PRODUCTS = (aten.mul.Tensor, aten.div.Tensor)
_SHAPING = (
    aten.permute.default,
    aten.view.default,
    aten._unsafe_view.default,
    aten.repeat.default,
)


def simplify_transforms(graph: fx.Graph, held: Collection[fx.Node]) -> None:
    """Replace transforms of fields whose modes are known.

    Args:
        graph: The graph; its nodes carry their ``shape``.
        held: Nodes that are computed once; their transforms are free.
    """
    _drop_identities(graph)
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target == aten._fft_r2c.default:
            with graph.inserting_before(node):
                modes = _Modes(graph, node, held).of(node.args[0])
            if modes is not None:
                node.replace_all_uses_with(modes)


class _Modes:
    """Modes of the fields that one transform is made of.

    Args:
        graph: The graph; new nodes are inserted at its insertion point.
        transform: The transform from values to modes.
        held: Nodes that are computed once.
        dims: The transformed dimensions, where they are not those of the transform.
        rank: Number of dimensions of the fields, where it is not that of the transform.
    """

    def __init__(
        self,
        graph: fx.Graph,
        transform: fx.Node,
        held: Collection[fx.Node],
        dims: Sequence[int] | None = None,
        rank: int | None = None,
    ) -> None:
        self._graph, self._transform, self._held = graph, transform, held
        arguments: Any = transform.args
        source, own, *_ = arguments
        self._dims = own if dims is None else dims
        self._rank = len(source.meta["shape"]) if rank is None else rank
        self._sizes = [source.meta["shape"][dim] for dim in own]

    def of(self, values: Any) -> fx.Node | None:
        """The modes of a node without a transform of all of it; ``None`` if it needs one."""
        if not isinstance(values, fx.Node) or self._spatial(values) != self._sizes:
            return None
        target: Any = values.target
        args: Any = values.args
        if target == aten._fft_c2r.default:
            same = list(args[1]) == list(self._dims) and args[3] == self._sizes[-1]
            return args[0] if same else None
        if values.kwargs:
            return None
        if target == aten.permute.default:
            before = [args[1][dim] % self._rank for dim in self._dims]
            inner = _Modes(self._graph, self._transform, self._held, before)
            modes = inner.of(args[0])
            return None if modes is None else self._permuted(values, modes, args[1])
        if target in (aten.select.int, aten.squeeze.dim, aten.unsqueeze.default):
            return self._of_view(values, *args)
        if target == aten.stack.default:
            return self._of_stack(values, *args)
        if target == aten.neg.default:
            return self._apply(values, [self.of(args[0])])
        if target in _PRODUCTS:
            return self._product(values, *args)
        if target in _SUMS:
            return self._sum(values, *args)
        return None

    def _of_view(self, values: fx.Node, source: fx.Node, dim: int, *index: int) -> fx.Node | None:
        """Modes of a field with one dimension less or more, which is not transformed."""
        rank = len(source.meta["shape"])
        if values.target == aten.unsqueeze.default:
            dim %= self._rank
            dims = [each - (each > dim) for each in self._dims]
            known = dim not in self._dims
        else:
            dim %= rank
            dims = [each + (each >= dim) for each in self._dims]
            known = rank == self._rank + 1
        if not known:
            return None
        modes = _Modes(self._graph, self._transform, self._held, dims, rank).of(source)
        return self._apply(values, [modes, dim, *index])

    def _of_stack(self, values: fx.Node, parts: Sequence[Any], dim: int = 0) -> fx.Node | None:
        """Modes of fields along a new dimension, which is not transformed."""
        dim %= self._rank
        if dim in self._dims:
            return None
        dims = [each - (each > dim) for each in self._dims]
        inner = _Modes(self._graph, self._transform, self._held, dims, self._rank - 1)
        modes = [inner.of(each) for each in parts]
        return None if None in modes else self._apply(values, [modes, dim])

    def _permuted(self, values: fx.Node, modes: fx.Node, order: Sequence[int]) -> fx.Node:
        """Permuted modes; two permutations that undo each other are left out."""
        arguments: Any = modes.args
        if modes.target in _SUMS and any(_undoes(order, each) for each in arguments):
            parts = [self._permuted(values, each, order) for each in arguments]
            node = self._apply(values, parts, modes.target)
        elif _undoes(order, modes):
            return arguments[0]
        else:
            node = self._apply(values, [modes, order])
        assert node is not None
        return node

    def _product(self, values: fx.Node, first: Any, second: Any) -> fx.Node | None:
        """Modes of a product of a field with something uniform in space."""
        if self._is_uniform(second):
            return self._apply(values, [self.of(first), second])
        if self._is_uniform(first) and values.target == aten.mul.Tensor:
            return self._apply(values, [first, self.of(second)])
        return None

    def _sum(self, values: fx.Node, first: Any, second: Any) -> fx.Node | None:
        """Modes of a sum of which at most one term needs a transform."""
        terms = [self._expanded(term) if term in self._held else term for term in (first, second)]
        if any(self._spatial(term) != self._sizes for term in terms):
            return None
        modes = [self.of(term) for term in terms]
        unknown = [term for term, known in zip(terms, modes, strict=True) if known is None]
        if len(unknown) == 2 and not any(term in self._held for term in (first, second)):
            return None
        parts = [
            self._transformed(term) if known is None else known
            for term, known in zip(terms, modes, strict=True)
        ]
        return self._apply(values, parts)

    def _expanded(self, values: fx.Node) -> fx.Node:
        """A field with all dimensions, of the full size along the transformed ones."""
        shape = list(values.meta["shape"])
        shape = [1] * (self._rank - len(shape)) + shape
        for dim, size in zip(self._dims, self._sizes, strict=True):
            shape[dim] = size
        if shape == list(values.meta["shape"]):
            return values
        node = self._graph.call_function(aten.expand.default, (values, shape), {})
        node.meta["shape"], node.meta["dtype"] = torch.Size(shape), values.meta["dtype"]
        return node

    def _transformed(self, values: fx.Node) -> fx.Node:
        target: Any = self._transform.target
        args = (values, list(self._dims), *self._transform.args[2:])
        node = self._graph.call_function(target, args, {})
        return self._shaped(node, values)

    def _apply(
        self, values: fx.Node, operands: Sequence[Any], target: Any = None
    ) -> fx.Node | None:
        """The operation that made the values, or another one, applied to modes."""
        if any(each is None for each in operands):
            return None
        target = target or values.target
        node = self._graph.call_function(target, tuple(operands), {})
        return self._shaped(node, values)

    def _shaped(self, node: fx.Node, values: fx.Node) -> fx.Node:
        shape = list(values.meta["shape"])
        last = self._dims[-1] - self._rank
        shape[last] = shape[last] // 2 + 1
        node.meta["shape"] = torch.Size(shape)
        node.meta["dtype"] = self._transform.meta["dtype"]
        return node

    def _spatial(self, values: Any) -> list[int] | None:
        """Sizes of a tensor along the transformed dimensions, counted from the last one."""
        if not isinstance(values, fx.Node) or len(values.meta["shape"]) != self._rank:
            return None
        return [values.meta["shape"][dim] for dim in self._dims]

    def _is_uniform(self, factor: Any) -> bool:
        if not isinstance(factor, fx.Node):
            return isinstance(factor, int | float)
        shape = factor.meta["shape"]
        positions = [dim - self._rank + len(shape) for dim in self._dims]
        return all(shape[position] == 1 for position in positions if position >= 0)


def _undoes(order: Sequence[int], node: Any) -> bool:
    """True if the node is a permutation that another one reverses."""
    if not isinstance(node, fx.Node) or node.target != aten.permute.default:
        return False
    before: Any = node.args[1]
    return [before[dim] % len(before) for dim in order] == list(range(len(before)))


def _drop_identities(graph: fx.Graph) -> None:
    """Remove permutations and changes of shape that change nothing."""
    for node in list(graph.nodes):
        if node.target not in _SHAPING:
            continue
        arguments: Any = node.args
        source, order = arguments
        if node.target == aten.permute.default:
            is_identity = [dim % len(order) for dim in order] == list(range(len(order)))
        else:
            is_identity = node.meta["shape"] == source.meta["shape"]
        if is_identity:
            node.replace_all_uses_with(source)
