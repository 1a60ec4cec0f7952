"""Records the operations of a function of tensors as a graph."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

aten = torch.ops.aten
Tensors = Sequence[torch.Tensor]

# Constants of up to this many elements are compared by value, larger ones by identity.
_SMALL = 16
_UNTRACEABLE = {
    torch.Tag.data_dependent_output: "a branch or a number depends on a value",
    torch.Tag.dynamic_output_shape: "a shape depends on a value",
    torch.Tag.nondeterministic_seeded: "it is random",
}


# New tensors, whose values do not matter if others are copied into them.
_NEW = (
    aten._new_zeros_with_same_feature_meta.default,
    aten.empty.memory_format,
    aten.empty_like.default,
    aten.empty_strided.default,
    aten.new_empty_strided.default,
)


class UntraceableError(Exception):
    """A function that cannot be traced."""


class MutationError(UntraceableError):
    """An operation changes a tensor in place."""


def record(
    function: Callable[..., list[torch.Tensor]], examples: Tensors
) -> tuple[fx.Graph, dict[fx.Node, torch.Tensor]]:
    """The operations of a function as a graph, and the constants by their nodes.

    Args:
        function: The function, without side effects.
        examples: Its arguments, of the shapes and types that the graph is for.

    Raises:
        UntraceableError: if an operation depends on values, or is random.
    """
    try:
        recorded = Recorder(function, examples)
    except MutationError:
        recorded = Recorder(torch.func.functionalize(function), examples)
    return recorded.graph, recorded.constants


class Recorder(TorchDispatchMode):
    """Records the operations on the arguments of a function, each distinct one once.

    Operations on other tensors are only executed; their results are constants.

    Args:
        function: The function.
        examples: Its arguments.

    Attributes:
        graph: The recorded graph.
        constants: The constants by their nodes.
    """

    def __init__(self, function: Callable[..., list[torch.Tensor]], examples: Tensors) -> None:
        super().__init__()
        self.graph = fx.Graph()
        self.constants: dict[fx.Node, torch.Tensor] = {}
        self._nodes = WeakTensorKeyDictionary()
        self._new = WeakTensorKeyDictionary()
        self._known: dict[Any, fx.Node] = {}
        arguments = [value.clone() for value in examples]
        for number, value in enumerate(arguments):
            self._assign(value, self.graph.placeholder(f"input{number}"))
        with torch.no_grad(), self:
            results = function(*arguments)
        self.graph.output(tuple(self._node(value) for value in results))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing compiles a recording; PyTorch would import its compiler (1.2 s) to skip it."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Execute an operation, and record it if it depends on the arguments."""
        leaves, tree = pytree.tree_flatten((args, kwargs or {}))
        depends = any(isinstance(leaf, torch.Tensor) and leaf in self._nodes for leaf in leaves)
        result = func(*args, **(kwargs or {}))
        if func in _NEW:
            self._new[result] = True
        if not depends or _is_meta(result):
            return result
        if func == aten.copy_.default and args[0] in self._new:
            # PyTorch gives derivatives the memory layout of the values.
            return self._assign(result, self._node(args[1]))
        if func._schema.is_mutable:
            raise MutationError(f"{func} changes a tensor in place")
        for tag, reason in _UNTRACEABLE.items():
            if tag in func.tags and not _has_fixed_shape(func, args):
                raise UntraceableError(f"{func}: {reason}")
        if isinstance(result, bool):  # of shapes
            return result
        recorded = [self._node(x) if isinstance(x, torch.Tensor) else x for x in leaves]
        node = self._record(func, *pytree.tree_unflatten(recorded, tree))
        if isinstance(result, torch.Tensor):
            self._assign(result, node)
        else:
            for number, each in enumerate(result):
                assert isinstance(each, torch.Tensor), f"{func}: result {each!r}"
                self._assign(each, self._record(operator.getitem, (node, number), {}))
        return result

    def _record(self, target: Any, args: Any, kwargs: Any) -> fx.Node:
        key = (target, repr(args), repr(kwargs))
        if key not in self._known:
            self._known[key] = self.graph.call_function(target, args, kwargs)
        return self._known[key]

    def _assign(self, value: torch.Tensor, node: fx.Node) -> torch.Tensor:
        node.meta["shape"], node.meta["dtype"] = value.shape, value.dtype
        self._nodes[value] = node
        return value

    def _node(self, value: torch.Tensor) -> fx.Node:
        """The node of a tensor; one that has none becomes a constant."""
        if value in self._nodes:
            return self._nodes[value]
        if value._is_zerotensor():  # a derivative that is zero, without memory
            value = torch.zeros(value.shape, dtype=value.dtype)
        contents = str(value.tolist()) if value.numel() <= _SMALL else str(id(value))
        key = (value.dtype, value.shape, value.stride(), contents)
        if key not in self._known:
            node = self.graph.create_node("get_attr", f"constant{len(self.constants)}")
            node.meta["shape"], node.meta["dtype"] = value.shape, value.dtype
            self.constants[node] = value
            self._known[key] = node
        return self._known[key]


def _is_meta(result: Any) -> bool:
    """True for a tensor without values, of which PyTorch takes the shape of a derivative."""
    return isinstance(result, torch.Tensor) and result.is_meta


def _has_fixed_shape(func: Any, args: Any) -> bool:
    """True if it is indexing by numbers; with a mask the shape would depend on its values."""
    if func != aten.index.Tensor:
        return False
    is_mask = [each is not None and each.dtype in (torch.bool, torch.uint8) for each in args[-1]]
    return not any(is_mask)
