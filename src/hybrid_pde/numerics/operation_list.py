"""Graphs of native operations as lists of operations on fixed arrays."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import fx

from hybrid_pde.numerics.array_loops import (
    Instructions,
    Operation,
    TooManyDimensionsError,
    instructions,
    storage,
)
from hybrid_pde.numerics.array_program_library import Library, Plan
from hybrid_pde.numerics.graph_recorder import Tensors

aten = torch.ops.aten

# As in array_program.cpp: operations by their name and the kinds of their arguments, real or
# complex.
_OPERATIONS = (
    *("copy r", "copy c", "widen r", "neg r", "neg c", "add rr", "add cc", "sub rr", "sub cc"),
    *("mul rr", "mul cc", "mul cr", "div rr", "div cr", "addcmul rrr", "addcmul ccc"),
    *("addcmul ccr", "abs r", "maximum rr", "largest r", "total r", "to_double r"),
    "subcmul rrr",
)
_CODES = {name: code for code, name in enumerate(_OPERATIONS)}
_DOUBLE, _FORWARD, _BACKWARD = 32, 100, 101

_VIEWS: tuple[Any, ...] = (
    torch.select,
    torch.squeeze,
    torch.unsqueeze,
    torch.permute,
    torch.transpose,
)
_VIEWS += (torch.narrow, torch.Tensor.expand, torch.detach)
_BINARY = {torch.add: "add", torch.sub: "sub", torch.mul: "mul", torch.div: "div"}
_BINARY[torch.maximum] = "maximum"
_REDUCTIONS = ("largest", "total")
_DOUBLES = (torch.float64, torch.complex128)
_BY_N = 2  # PyTorch's name of the factor 1/n of a transform
# Terms of a sum that are added one by one, and of the entries of a product of matrices: values near
# a wall are such products.
_MOST_TERMS, _MOST_PRODUCTS = 4, 8


class UnsupportedError(Exception):
    """A graph with an operation that the interpreter does not have."""


class OperationList:
    """Operations on fixed arrays.

    Args:
        library: The interpreter.
        on_one_thread: Whether transforms run on one thread, whatever their size.
    """

    def __init__(self, library: Library, on_one_thread: bool = False) -> None:
        self._library, self._on_one_thread = library, on_one_thread
        self._operations: list[Operation] = []
        self._plans: list[Plan] = []
        # Instructions contain the addresses of these tensors, which must live as long.
        self._kept: list[torch.Tensor] = []

    def lowered(self) -> Instructions:
        """Instructions of the operations since the last call.

        Raises:
            UnsupportedError: if an array has too many dimensions.
        """
        operations, self._operations = _joined(self._operations), []
        try:
            return instructions(operations)
        except TooManyDimensionsError as problem:
            raise UnsupportedError("too many dimensions") from problem

    def translate(self, graph: fx.Graph, inputs: Tensors) -> list[torch.Tensor]:
        """Append the operations of a graph.

        Args:
            graph: The graph.
            inputs: Its arguments, constants included.

        Returns:
            The arrays of its results.

        Raises:
            UnsupportedError: if an operation is not supported.
        """
        self._kept += inputs
        left = iter(inputs)
        arrays: dict[fx.Node, torch.Tensor] = {}
        results: Any = ()
        for node in graph.nodes:
            if node.op == "placeholder":
                arrays[node] = next(left).detach()
            elif node.op == "call_function":
                args: Any = fx.node.map_arg(node.args, arrays.__getitem__)
                arrays[node] = self._operation(node.target, args, dict(node.kwargs))
                if arrays[node].shape != node.meta["shape"]:
                    raise UnsupportedError(f"{node.target}: another shape")
            else:
                (results,) = node.args
        return [arrays[node] for node in results]

    def _operation(self, target: Any, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
        if target in _VIEWS and not kwargs:
            return target(*args)
        if target is torch.Tensor.reshape:
            return self.contiguous(args[0]).reshape(args[1])
        if target is torch.clone and kwargs == {"memory_format": torch.contiguous_format}:
            return self.contiguous(args[0], True)
        if target is aten._to_copy.default and kwargs == {"dtype": torch.float64}:
            return self._to_double(*args)
        if kwargs:
            raise UnsupportedError(f"{target} with {sorted(kwargs)}")
        if target in _BINARY and len(args) == 2:
            return self._binary(_BINARY[target], *args)
        made = _TRANSLATIONS.get(target)
        if made is None:
            raise UnsupportedError(str(target))
        return made(self, *args)

    def _binary(self, name: str, first: Any, second: Any) -> torch.Tensor:
        first, second = (self._array(each, first, second) for each in (first, second))
        if name == "mul" and second.is_complex() and not first.is_complex():
            first, second = second, first
        elif name in ("add", "sub") and first.is_complex() != second.is_complex():
            first, second = (u if u.is_complex() else self._widened(u) for u in (first, second))
        if name in ("add", "mul") and first.is_complex() == second.is_complex():
            # a number that is the same for all comes second, see along_row in array_program.cpp
            first, second = sorted((first, second), key=lambda u: u.numel() == 1)
        return self._made(name, first, second)

    def _array(self, value: Any, *others: Any) -> torch.Tensor:
        """A tensor, or a number as one of the precision of the others."""
        if isinstance(value, torch.Tensor):
            return value
        (like,) = (each for each in others if isinstance(each, torch.Tensor))
        if isinstance(value, complex):
            raise UnsupportedError("a complex number")
        held = torch.tensor(value, dtype=like.dtype.to_real())
        self._kept.append(held)
        return held

    def _widened(self, values: torch.Tensor) -> torch.Tensor:
        made = self.new(values.shape, values.dtype.to_complex())
        self.emit("widen", made, values)
        return made

    def _to_double(self, values: torch.Tensor) -> torch.Tensor:
        if values.dtype == torch.float64:
            return values
        made = self.new(values.shape, torch.float64)
        self.emit("to_double", made, values)
        return made

    def _neg(self, values: torch.Tensor) -> torch.Tensor:
        return self._made("neg", values)

    def _abs(self, values: torch.Tensor) -> torch.Tensor:
        return self._made("abs", values)

    def _addcmul(
        self, total: torch.Tensor, first: torch.Tensor, second: torch.Tensor
    ) -> torch.Tensor:
        if second.is_complex() and not first.is_complex():
            first, second = second, first
        return self._made("addcmul", total, first, second)

    def _pow(self, values: torch.Tensor, exponent: Any) -> torch.Tensor:
        if exponent not in (2, 3):
            raise UnsupportedError(f"power {exponent}")
        square = self._made("mul", values, values)
        return square if exponent == 2 else self._made("mul", square, values)

    def _stack(self, parts: Sequence[torch.Tensor], dim: int = 0) -> torch.Tensor:
        made = self.new([len(parts), *parts[0].shape], parts[0].dtype)
        for own, each in zip(made, parts, strict=True):
            self.emit("copy", own, each)
        return made.movedim(0, dim)  # each part in one piece of memory

    def _cat(self, parts: Sequence[torch.Tensor], dim: int = 0) -> torch.Tensor:
        shape = list(parts[0].shape)
        shape[dim] = sum(each.shape[dim] for each in parts)
        made, begin = self.new(shape, parts[0].dtype), 0
        for each in parts:
            self.emit("copy", made.narrow(dim, begin, each.shape[dim]), each)
            begin += each.shape[dim]
        return made

    def _sum(
        self, values: torch.Tensor, dims: Sequence[int], keepdim: bool = False
    ) -> torch.Tensor:
        if len(dims) != 1:
            raise UnsupportedError("a sum along several axes")
        if values.shape[dims[0]] > _MOST_TERMS:
            return self._reduced("total", values, dims, keepdim)
        total, *others = values.unbind(dims[0])
        for each in others:
            total = self._made("add", total, each)
        return total.unsqueeze(dims[0]) if keepdim else total

    def _placed(self, values: torch.Tensor, sizes: Sequence[int], place: Any) -> torch.Tensor:
        """An array of zeros with values at a place: the adjoint of taking a part.

        Args:
            values: The values.
            sizes: Sizes of the array.
            place: Its dimension, and the begin and end of the values there.
        """
        dim, begin, end = place
        made = self.new(sizes, values.dtype)
        zero = torch.zeros((), dtype=values.dtype)
        self._kept.append(zero)
        for first, last in ((0, begin), (end, sizes[dim])):
            if first < last:
                part = made.narrow(dim, first, last - first)
                self.emit("copy", part, zero)
        self.emit("copy", made.narrow(dim, begin, end - begin), values)
        return made

    def _of_selection(
        self, values: torch.Tensor, sizes: Sequence[int], dim: int, index: int
    ) -> torch.Tensor:
        dim %= len(sizes)
        index %= sizes[dim]
        return self._placed(values.unsqueeze(dim), sizes, (dim, index, index + 1))

    def _of_slice(
        self,
        values: torch.Tensor,
        sizes: Sequence[int],
        dim: int,
        begin: int,
        end: int,
        step: int,
    ) -> torch.Tensor:
        if step != 1:
            raise UnsupportedError("a slice with gaps")
        dim %= len(sizes)
        begin = begin + sizes[dim] if begin < 0 else begin
        return self._placed(values, sizes, (dim, begin, begin + values.shape[dim]))

    def _matmul(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """A product of matrices ``[…, n, k]`` and ``[…, k, m]`` with small k."""
        if first.shape[-1] > _MOST_PRODUCTS:
            raise UnsupportedError("a product of large matrices")
        total: torch.Tensor | None = None
        for number in range(first.shape[-1]):
            column, row = first.narrow(-1, number, 1), second.narrow(-2, number, 1)
            term = self._made("mul", column, row)
            total = term if total is None else self._made("add", total, term)
        assert total is not None
        return total

    def _amax(
        self, values: torch.Tensor, dims: Sequence[int], keepdim: bool = False
    ) -> torch.Tensor:
        return self._reduced("largest", values, dims, keepdim)

    def _reduced(
        self, name: str, values: torch.Tensor, dims: Sequence[int], keepdim: bool
    ) -> torch.Tensor:
        """The sum or the largest of the values along the last axis."""
        if [dim % values.ndim for dim in dims] != [values.ndim - 1] or values.shape[-1] < 2:
            raise UnsupportedError("a reduction along other axes")
        made = self.new([*values.shape[:-1], 1], values.dtype)
        self.emit(name, made.expand(values.shape), self.contiguous(values))
        return made if keepdim else made.squeeze(-1)

    def _forward(
        self, values: torch.Tensor, dims: Sequence[int], scale: int, half: bool
    ) -> torch.Tensor:
        if scale or not half:
            raise UnsupportedError("another transform")
        sizes = self._sizes(values, dims)
        shape = [*values.shape[:-1], sizes[-1] // 2 + 1]
        made = self.new(shape, values.dtype.to_complex())
        self._transform(_FORWARD, sizes, made, values)
        return made

    def _backward(
        self, modes: torch.Tensor, dims: Sequence[int], scale: int, last: int
    ) -> torch.Tensor:
        made = self.new([*modes.shape[:-1], last], modes.dtype.to_real())
        sizes = self._sizes(made, dims)
        if scale != _BY_N or modes.shape[-1] != last // 2 + 1:
            raise UnsupportedError("another transform")
        self._transform(_BACKWARD, sizes, made, modes)
        return made

    def _sizes(self, values: torch.Tensor, dims: Sequence[int]) -> list[int]:
        """Sizes of the transformed dimensions, which are the last ones."""
        rank = values.ndim
        if [dim % rank for dim in dims] != list(range(rank - len(dims), rank)):
            raise UnsupportedError("a transform along other axes")
        return [values.shape[dim] for dim in dims]

    def _transform(
        self, code: int, sizes: list[int], made: torch.Tensor, values: torch.Tensor
    ) -> None:
        number = prod(made.shape[: -len(sizes)])
        real = made if code == _BACKWARD else values
        plan = self._library.plan(
            tuple(sizes), number, real.dtype, code == _FORWARD, self._on_one_thread
        )
        self._plans.append(plan)
        self._operations.append(Operation(code, [made, self.contiguous(values)], plan.address))

    def contiguous(self, values: torch.Tensor, always: bool = False) -> torch.Tensor:
        """The values in the order of memory: a copy unless they are, or always."""
        if values.is_contiguous() and not always:
            return values
        made = self.new(values.shape, values.dtype)
        self.emit("copy", made, values)
        return made

    def _made(self, name: str, *arguments: torch.Tensor) -> torch.Tensor:
        """The result of an operation on arrays of compatible shapes."""
        shape = torch.broadcast_shapes(*(each.shape for each in arguments))
        kind = torch.result_type(arguments[0], arguments[-1])
        made = self.new(shape, arguments[0].dtype if arguments[0].is_complex() else kind)
        self.emit(name, made, *arguments)
        return made

    def new(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """A new array, which gets its memory when the operations are lowered."""
        return torch.empty(tuple(shape), dtype=dtype, device="meta")

    def emit(self, name: str, made: torch.Tensor, *arguments: torch.Tensor) -> None:
        """Append an operation, see ``_OPERATIONS``.

        Args:
            name: Its name.
            made: The array of the result; the arguments are expanded to its shape.
            arguments: The arguments.

        Raises:
            UnsupportedError: if the interpreter does not have it.
        """
        code = _CODES.get(f"{name} {''.join('c' if u.is_complex() else 'r' for u in arguments)}")
        alike = arguments if name == "to_double" else (made, *arguments)
        doubles = {each.dtype in _DOUBLES for each in alike}
        simple = all(u.is_floating_point() or u.is_complex() for u in arguments)
        simple = simple and not any(u.is_conj() or u.is_neg() for u in arguments)
        simple = simple and all(u.device.type in ("cpu", "meta") for u in (made, *arguments))
        if code is None or len(doubles) > 1 or not simple:
            raise UnsupportedError(f"{name} of {[each.dtype for each in arguments]}")
        operands = [made, *(each.expand(made.shape) for each in arguments)]
        code += _DOUBLE * (doubles == {True})
        self._operations.append(Operation(code, operands, 0, name in _REDUCTIONS))


def _joined(operations: Sequence[Operation]) -> list[Operation]:
    """Products of real numbers joined with the sums that they are terms of."""
    uses: dict[int, int] = {}
    for each in operations:
        for argument in each.operands[1:]:
            uses[storage(argument)] = uses.get(storage(argument), 0) + 1
    products: dict[int, Operation] = {}
    joined: list[Operation | None] = []
    places: dict[int, int] = {}
    for each in operations:
        precise, made = each.code >= _DOUBLE and not each.plan, each.operands[0]
        name = None if each.plan else _OPERATIONS[each.code - _DOUBLE * precise]
        if name in ("add rr", "sub rr"):
            first, second = each.operands[1:]
            if name == "add rr" and not _is_product(second, products):
                first, second = second, first
            if _is_product(second, products):
                product = products.pop(storage(second))
                joined[places[storage(second)]] = None
                code = _CODES["addcmul rrr" if name == "add rr" else "subcmul rrr"]
                operands = [made, first, *product.operands[1:]]
                each = Operation(code + _DOUBLE * precise, operands)
        elif name == "mul rr" and uses.get(storage(made)) == 1 and made.device.type == "meta":
            products[storage(made)] = each
            places[storage(made)] = len(joined)
        joined.append(each)
    return [each for each in joined if each is not None]


def _is_product(array: torch.Tensor, products: dict[int, Operation]) -> bool:
    """True if an array is exactly the result of a product that is used once."""
    found = products.get(storage(array))
    if found is None:
        return False
    made = found.operands[0]
    return made.shape == array.shape and made.stride() == array.stride()


_TRANSLATIONS: dict[Any, Callable[..., torch.Tensor]] = {
    aten.rsub.Scalar: lambda operations, values, number: operations._binary("sub", number, values),
    torch.neg: OperationList._neg,
    torch.abs: OperationList._abs,
    torch.amax: OperationList._amax,
    torch.addcmul: OperationList._addcmul,
    torch.pow: OperationList._pow,
    torch.square: lambda operations, values: operations._pow(values, 2),
    torch.stack: OperationList._stack,
    torch.cat: OperationList._cat,
    torch.sum: OperationList._sum,
    aten.select_backward.default: OperationList._of_selection,
    aten.slice_backward.default: OperationList._of_slice,
    torch.mm: OperationList._matmul,
    torch.bmm: OperationList._matmul,
    torch.clone: lambda operations, values: operations.contiguous(values, True),
    torch._fft_r2c: OperationList._forward,
    torch._fft_c2r: OperationList._backward,
}
