"""Graphs of native tensor operations, traced once from a function of tensors.

A graph calls PyTorch directly: it has neither the named dimensions nor the Python of the traced
function, which is many times as expensive as the arithmetic on small grids. Forward- and
reverse-mode derivatives go through its operations.

Shapes, data types and the branches of Python are those of the trace. (PyTorch's own tracer,
``make_fx``, records the same operations but takes 2 ms for each.)
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch import fx
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from hybrid_pde.numerics.fourier_graph import simplify_transforms
from hybrid_pde.numerics.held_values import HeldValues
from hybrid_pde.numerics.mode_sums import merge_factors

aten = torch.ops.aten
Tensors = Sequence[torch.Tensor]

# Constants of up to this many elements are compared by value, larger ones by identity.
_SMALL = 16
_UNTRACEABLE = {
    torch.Tag.data_dependent_output: "a branch or a number depends on a value",
    torch.Tag.dynamic_output_shape: "a shape depends on a value",
    torch.Tag.nondeterministic_seeded: "it is random",
}

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
    aten.view.default: torch.Tensor.view,
    aten._unsafe_view.default: torch.Tensor.view,
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


_NUMBERS = {getattr(aten, n).Tensor: getattr(aten, n).Scalar for n in ("add", "sub", "mul", "div")}


@dataclass(frozen=True)
class _Part:
    """A piece of a graph as a function, with its constants, which are its first arguments.

    Operations of a tensor with a tangent and a number are as slow as those with a tensor that has
    none, unless they are called by another name: ``with_numbers`` does that.
    """

    call: Callable[..., tuple[torch.Tensor, ...]]
    with_numbers: Callable[..., tuple[torch.Tensor, ...]]
    constants: Tensors

    def choose(self, tangents: bool) -> Callable[..., tuple[torch.Tensor, ...]]:
        """The function for tensors with or without tangents."""
        return self.with_numbers if tangents else self.call


class UntraceableError(Exception):
    """A function that cannot be traced."""


class _MutationError(UntraceableError):
    """An operation changes a tensor in place."""


class NativeGraph:
    """A traced function of held and changing tensors.

    What depends on held tensors only is computed once by :meth:`hold`, what depends on neither once
    by the trace.

    Args:
        function: Tensors from held and changing tensors; without side effects.
        held: Examples of the held tensors, without derivatives.
        changing: Examples of the changing tensors.

    Raises:
        UntraceableError: if the function cannot be traced, e.g. as a branch depends on a value.
    """

    def __init__(
        self, function: Callable[[Tensors, Tensors], Tensors], held: Tensors, changing: Tensors
    ) -> None:
        def flat(*tensors: torch.Tensor) -> list[torch.Tensor]:
            return list(function(tensors[: len(held)], tensors[len(held) :]))

        examples = [*held, *changing]
        try:
            recorded = _Recorder(flat, examples)
        except _MutationError:
            recorded = _Recorder(torch.func.functionalize(flat), examples)
        graph, constants = recorded.graph, recorded.constants
        _drop_zeros(graph)
        simplify_transforms(graph, _early(graph, constants, len(held)))
        _merge_equal(graph)
        _eliminate(graph)
        values = HeldValues(graph, constants, len(held))
        merge_factors(graph, _early(graph, constants, len(held)), values)
        _merge_equal(graph)
        _eliminate(graph)
        self._prepare, self._run, self._kept = _split(graph, constants, len(held))
        self._on_device: dict[torch.device, tuple[Tensors, Tensors]] = {}

    def hold(
        self, held: Tensors, device: torch.device, tangents: bool = False
    ) -> Callable[[Tensors], tuple[torch.Tensor, ...]]:
        """The function of the changing tensors alone.

        Args:
            held: The held tensors.
            device: Device of all tensors.
            tangents: Whether tensors without a tangent, and the constants, get a tangent of zeros:
                operations on two tensors of which only one has a tangent take PyTorch ten times as
                long as operations on two that have one.
        """
        first, second = self._constants(device)
        if tangents:
            first, second, held = map(with_tangents, (first, second, held))
        prepared = self._prepare.choose(tangents)(*first, *held)
        available = [*held, *prepared]
        kept = [*second, *(available[number] for number in self._kept)]
        call = self._run.choose(tangents)

        def run(changing: Tensors) -> tuple[torch.Tensor, ...]:
            return call(*kept, *(with_tangents(changing) if tangents else changing))

        return run

    def _constants(self, device: torch.device) -> tuple[Tensors, Tensors]:
        if device not in self._on_device:
            self._on_device[device] = (
                [constant.to(device) for constant in self._prepare.constants],
                [constant.to(device) for constant in self._run.constants],
            )
        return self._on_device[device]


def with_tangents(tensors: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """The tensors, with a tangent of zeros where there was none."""
    return [_with_tangent(tensor) for tensor in tensors]


def _with_tangent(tensor: torch.Tensor) -> torch.Tensor:
    is_number = tensor.is_floating_point() or tensor.is_complex()
    if not is_number or forward_ad.unpack_dual(tensor).tangent is not None:
        return tensor
    return forward_ad.make_dual(tensor.contiguous(), torch.zeros_like(tensor).contiguous())


class _Recorder(TorchDispatchMode):
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
        self._known: dict[Any, fx.Node] = {}
        arguments = [value.clone() for value in examples]
        for number, value in enumerate(arguments):
            self._assign(value, self.graph.placeholder(f"input{number}"))
        with torch.no_grad(), self:
            results = function(*arguments)
        self.graph.output(tuple(self._node(value) for value in results))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Execute an operation, and record it if it depends on the arguments."""
        leaves, tree = pytree.tree_flatten((args, kwargs or {}))
        depends = any(isinstance(leaf, torch.Tensor) and leaf in self._nodes for leaf in leaves)
        result = func(*args, **(kwargs or {}))
        if not depends:
            return result
        if func._schema.is_mutable:
            raise _MutationError(f"{func} changes a tensor in place")
        for tag, reason in _UNTRACEABLE.items():
            if tag in func.tags and not _has_fixed_shape(func, args):
                raise UntraceableError(f"{func}: {reason}")
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

    def _assign(self, value: torch.Tensor, node: fx.Node) -> None:
        node.meta["shape"], node.meta["dtype"] = value.shape, value.dtype
        self._nodes[value] = node

    def _node(self, value: torch.Tensor) -> fx.Node:
        """The node of a tensor; one that has none becomes a constant."""
        if value in self._nodes:
            return self._nodes[value]
        contents = str(value.tolist()) if value.numel() <= _SMALL else str(id(value))
        key = (value.dtype, value.shape, value.stride(), contents)
        if key not in self._known:
            node = self.graph.create_node("get_attr", f"constant{len(self.constants)}")
            node.meta["shape"], node.meta["dtype"] = value.shape, value.dtype
            self.constants[node] = value
            self._known[key] = node
        return self._known[key]


def _split(
    graph: fx.Graph, constants: dict[fx.Node, torch.Tensor], num_held: int
) -> tuple[_Part, _Part, list[int]]:
    """The part that depends on held tensors only, and the rest.

    Returns:
        Both parts, and the tensors that the second one takes: numbers in the list of held tensors
        followed by the results of the first part.
    """
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    (output,) = (node for node in graph.nodes if node.op == "output")
    held, changing = inputs[:num_held], inputs[num_held:]
    early = _early(graph, constants, num_held)
    late = [node for node in graph.nodes if node.op == "call_function" and node not in early]
    results = list(fx.node.map_aggregate(output.args[0], lambda node: node))
    used = {each for node in late for each in node.all_input_nodes} | set(results)
    computed = [node for node in graph.nodes if node in early and node.op == "call_function"]
    passed = [node for node in computed if node in used]
    available = [*held, *passed]
    kept = [node for node in available if node in used]
    prepare = _compile(constants, held, computed, passed)
    run = _compile(constants, [*kept, *changing], late, results)
    return prepare, run, [available.index(node) for node in kept]


def _early(graph: fx.Graph, constants: dict[fx.Node, torch.Tensor], num_held: int) -> set[fx.Node]:
    """The nodes that depend on held tensors and constants only."""
    early = {*[node for node in graph.nodes if node.op == "placeholder"][:num_held], *constants}
    for node in graph.nodes:
        if node.op == "call_function" and all(each in early for each in node.all_input_nodes):
            early.add(node)
    return early


def _compile(
    constants: dict[fx.Node, torch.Tensor],
    inputs: Sequence[fx.Node],
    nodes: Sequence[fx.Node],
    results: Sequence[fx.Node],
) -> _Part:
    """Nodes as a function of constants and inputs."""
    used = {each for node in nodes for each in node.all_input_nodes} | set(results)
    own = [node for node in constants if node in used]
    calls = []
    for with_numbers in (False, True):
        graph, copies = fx.Graph(), {}
        for number, node in enumerate([*own, *inputs]):
            copies[node] = graph.placeholder(f"a{number}")
        for node in nodes:
            copy = graph.node_copy(node, copies.__getitem__)
            _bind(copy, node, with_numbers)
            copies[node] = copy
        graph.output(tuple(copies[node] for node in results))
        calls.append(fx.GraphModule(torch.nn.Module(), graph).forward)
    return _Part(calls[0], calls[1], [constants[node] for node in own])


def _bind(copy: fx.Node, original: fx.Node, with_numbers: bool) -> None:
    """Call the Python binding of an operation; let tensors stay on their device."""
    target = original.target
    if "device" in copy.kwargs:
        copy.kwargs = {k: v for k, v in copy.kwargs.items() if k not in ("device", "pin_memory")}
    if with_numbers and target in _NUMBERS and not isinstance(copy.args[1], fx.Node):
        copy.target = _NUMBERS[target]
    elif target in _BINDINGS:
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


def _has_fixed_shape(func: Any, args: Any) -> bool:
    """True if it is indexing by numbers; with a mask the shape would depend on its values."""
    if func != aten.index.Tensor:
        return False
    is_mask = [each is not None and each.dtype in (torch.bool, torch.uint8) for each in args[-1]]
    return not any(is_mask)


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
