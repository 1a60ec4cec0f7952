"""Graphs of native operations as lists that run without Python, for small states.

On small arrays the call of an operation takes longer than its arithmetic. A graph of sums,
products and Fourier transforms becomes a list of operations on fixed arrays, which an interpreter
in C++ runs for all steps of several frames at once.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import fx

from hybrid_pde.numerics.array_program_library import Library, Plan, library
from hybrid_pde.numerics.graph_part import Part
from hybrid_pde.numerics.graph_recorder import Tensors

aten = torch.ops.aten

# As in array_program.cpp: operations by their name and the kinds of their arguments, real or
# complex; dimensions of an array; places of an instruction.
_OPERATIONS = (
    *("copy r", "copy c", "widen r", "neg r", "neg c", "add rr", "add cc", "sub rr", "sub cc"),
    *("mul rr", "mul cc", "mul cr", "div rr", "div cr", "addcmul rrr", "addcmul ccc"),
    "addcmul ccr",
)
_CODES = {name: code for code, name in enumerate(_OPERATIONS)}
_DOUBLE, _FORWARD, _BACKWARD = 32, 100, 101
_DIMS, _OPERANDS = 6, 4

_VIEWS: tuple[Any, ...] = (
    torch.select,
    torch.squeeze,
    torch.unsqueeze,
    torch.permute,
    torch.transpose,
)
_VIEWS += (torch.narrow, torch.Tensor.expand, torch.detach)
_BINARY = {torch.add: "add", torch.sub: "sub", torch.mul: "mul", torch.div: "div"}
_DOUBLES = (torch.float64, torch.complex128)
_BY_N = 2  # PyTorch's name of the factor 1/n of a transform
# Terms of a sum that are added one by one.
_MOST_TERMS = 4


class UnsupportedError(Exception):
    """A graph with an operation that the interpreter does not have."""


class ArrayProgram:
    """A function from states to states that is run several times.

    Args:
        step: The function: its inputs are the kept ones, the states and other changing tensors,
            its results the next states.
        kept: Constants and held tensors.
        changing: Examples of the changing tensors; the states come first.
        observed: A function of the states whose results are wanted after each frame.
        renewal: A function of the states that is run before a step now and then.
        period: Number of steps after which it is.

    Raises:
        UnsupportedError: if an operation is not supported.
    """

    def __init__(
        self,
        step: Part,
        kept: Tensors,
        changing: Tensors,
        observed: Part,
        renewal: Part | None = None,
        period: int = 1,
    ) -> None:
        found = library()
        if found is None:
            raise UnsupportedError("no interpreter")
        self._library: Library = found
        self._rows: list[list[int]] = []
        self._plans: list[Plan] = []
        self._held = [*kept]
        # The arrays are addressed by the list and must not go.
        self._arrays: list[torch.Tensor] = []
        self._changing = [self._new(each.shape, each.dtype) for each in changing]
        self._period = period
        rows = [self._replacing(step, [*kept, *self._changing])]
        if renewal is not None:
            rows.append(self._replacing(renewal, [*renewal.constants, *self._states]))
        else:
            rows.append([])
        self._rows = []
        results = self._translate(observed.module.graph, [*observed.constants, *self._states])
        self._wanted = [*self._states, *(self._contiguous(each) for each in results)]
        rows.append(self._rows)
        self._lists = [torch.tensor(each, dtype=torch.int64) for each in rows]

    def run(
        self, changing: Tensors, first: int, steps: int, frames: int
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The states ``[F, …]`` after each frame, and what is observed of them.

        Args:
            changing: The states before, and the other changing tensors, which stay the same.
            first: Number of steps before.
            steps: Number of steps in a frame.
            frames: Number of frames.
        """
        for own, value in zip(self._changing, changing, strict=True):
            own.copy_(value)
        made = [torch.empty((frames, *u.shape), dtype=u.dtype) for u in self._wanted]
        arrays = [
            [own.data_ptr(), each.data_ptr(), own.numel() * own.element_size()]
            for own, each in zip(self._wanted, made, strict=True)
        ]
        counts = self._period, first, steps, frames
        self._library.run(self._lists, counts, torch.tensor(arrays))
        return made[: len(self._states)], made[len(self._states) :]

    def _replacing(self, part: Part, inputs: Tensors) -> list[list[int]]:
        """The operations of a function that replaces the states by its results."""
        self._rows = []
        results = self._translate(part.module.graph, inputs)
        self._states = self._changing[: len(results)]
        results = [self._contiguous(each, _shares(each, self._states)) for each in results]
        for state, result in zip(self._states, results, strict=True):
            self._emit("copy", state, result)
        return self._rows

    def _translate(self, graph: fx.Graph, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
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
            return self._contiguous(args[0]).reshape(args[1])
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
        return self._made(name, first, second)

    def _array(self, value: Any, *others: Any) -> torch.Tensor:
        """A tensor, or a number as one of the precision of the others."""
        if isinstance(value, torch.Tensor):
            return value
        (like,) = (each for each in others if isinstance(each, torch.Tensor))
        if isinstance(value, complex):
            raise UnsupportedError("a complex number")
        held = torch.tensor(value, dtype=like.dtype.to_real())
        self._held.append(held)
        return held

    def _widened(self, values: torch.Tensor) -> torch.Tensor:
        made = self._new(values.shape, values.dtype.to_complex())
        self._emit("widen", made, values)
        return made

    def _neg(self, values: torch.Tensor) -> torch.Tensor:
        return self._made("neg", values)

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
        return self._cat([each.unsqueeze(dim) for each in parts], dim)

    def _cat(self, parts: Sequence[torch.Tensor], dim: int = 0) -> torch.Tensor:
        shape = list(parts[0].shape)
        shape[dim] = sum(each.shape[dim] for each in parts)
        made, begin = self._new(shape, parts[0].dtype), 0
        for each in parts:
            self._emit("copy", made.narrow(dim, begin, each.shape[dim]), each)
            begin += each.shape[dim]
        return made

    def _sum(
        self, values: torch.Tensor, dims: Sequence[int], keepdim: bool = False
    ) -> torch.Tensor:
        if len(dims) != 1 or values.shape[dims[0]] > _MOST_TERMS:
            raise UnsupportedError("a sum of many terms")
        total, *others = values.unbind(dims[0])
        for each in others:
            total = self._made("add", total, each)
        return total.unsqueeze(dims[0]) if keepdim else total

    def _forward(
        self, values: torch.Tensor, dims: Sequence[int], scale: int, half: bool
    ) -> torch.Tensor:
        if scale or not half:
            raise UnsupportedError("another transform")
        sizes = self._sizes(values, dims)
        shape = [*values.shape[:-1], sizes[-1] // 2 + 1]
        made = self._new(shape, values.dtype.to_complex())
        self._transform(_FORWARD, sizes, made, values)
        return made

    def _backward(
        self, modes: torch.Tensor, dims: Sequence[int], scale: int, last: int
    ) -> torch.Tensor:
        made = self._new([*modes.shape[:-1], last], modes.dtype.to_real())
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
        plan = self._library.plan(tuple(sizes), number, real.dtype, code == _FORWARD)
        self._plans.append(plan)
        source = self._contiguous(values)
        places = [made.data_ptr(), source.data_ptr(), 0, 0]
        blank = [0] * (_OPERANDS * _DIMS)
        self._rows.append([code, plan.address, *[1] * _DIMS, *places, *blank])

    def _contiguous(self, values: torch.Tensor, always: bool = False) -> torch.Tensor:
        if values.is_contiguous() and not always:
            return values
        made = self._new(values.shape, values.dtype)
        self._emit("copy", made, values)
        return made

    def _made(self, name: str, *arguments: torch.Tensor) -> torch.Tensor:
        """The result of an operation on arrays of compatible shapes."""
        shape = torch.broadcast_shapes(*(each.shape for each in arguments))
        kind = torch.result_type(arguments[0], arguments[-1])
        made = self._new(shape, arguments[0].dtype if arguments[0].is_complex() else kind)
        self._emit(name, made, *arguments)
        return made

    def _new(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        made = torch.zeros(tuple(shape), dtype=dtype)
        self._arrays.append(made)
        return made

    def _emit(self, name: str, made: torch.Tensor, *arguments: torch.Tensor) -> None:
        code = _CODES.get(f"{name} {''.join('c' if u.is_complex() else 'r' for u in arguments)}")
        doubles = {each.dtype in _DOUBLES for each in (made, *arguments)}
        simple = all(u.is_floating_point() or u.is_complex() for u in arguments)
        simple = simple and not any(u.is_conj() or u.is_neg() for u in arguments)
        if code is None or len(doubles) > 1 or not simple or made.device.type != "cpu":
            raise UnsupportedError(f"{name} of {[each.dtype for each in arguments]}")
        operands = [made, *(each.expand(made.shape) for each in arguments)]
        sizes, strides = _collapsed(made.shape, [each.stride() for each in operands])
        missing = _OPERANDS - len(operands)  # they are not used, but steps are those of the first
        operands += [operands[1]] * missing
        strides += [strides[1]] * missing
        if doubles == {True}:
            code += _DOUBLE
        places = [each.data_ptr() for each in operands]
        self._rows.append([code, 0, *sizes, *places, *(n for line in strides for n in line)])


def _shares(values: torch.Tensor, others: Tensors) -> bool:
    """True if the values are in the memory of another tensor."""
    own = values.untyped_storage().data_ptr()
    return any(each.untyped_storage().data_ptr() == own for each in others)


def _collapsed(
    shape: Sequence[int], strides: Sequence[Sequence[int]]
) -> tuple[list[int], list[list[int]]]:
    """Sizes and strides with as few dimensions as possible, the first ones of size 1."""
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for dim, size in enumerate(shape):
        own = [each[dim] for each in strides]
        if size == 1:
            continue
        if sizes and all(s[-1] == size * n for s, n in zip(steps, own, strict=True)):
            sizes[-1] *= size
            for line, step in zip(steps, own, strict=True):
                line[-1] = step
            continue
        sizes.append(size)
        for line, step in zip(steps, own, strict=True):
            line.append(step)
    missing = _DIMS - len(sizes)
    if missing < 0:
        raise UnsupportedError("too many dimensions")
    return [1] * missing + sizes, [[0] * missing + line for line in steps]


_TRANSLATIONS: dict[Any, Callable[..., torch.Tensor]] = {
    aten.rsub.Scalar: lambda program, values, number: program._binary("sub", number, values),
    torch.neg: ArrayProgram._neg,
    torch.addcmul: ArrayProgram._addcmul,
    torch.pow: ArrayProgram._pow,
    torch.square: lambda program, values: program._pow(values, 2),
    torch.stack: ArrayProgram._stack,
    torch.cat: ArrayProgram._cat,
    torch.sum: ArrayProgram._sum,
    torch.clone: lambda program, values: program._contiguous(values, True),
    torch._fft_r2c: ArrayProgram._forward,
    torch._fft_c2r: ArrayProgram._backward,
}
