"""Loops over blocks of arrays, in which several operations run one after the other.

An operation on whole arrays takes its arguments from memory and returns its result there. Those of
equal shape are therefore run block by block, with intermediate results that stay in the cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch

# As in array_program.cpp: dimensions of an array, places of an instruction, code of a loop.
DIMS, OPERANDS, LOOP = 6, 4, 200
# Columns of an instruction that are addresses of arrays.
PLACES = slice(2 + DIMS, 2 + DIMS + OPERANDS)
# Elements of a block: a few tens of intermediate results stay in the cache of a core.
_BLOCK = 1024


class TooManyDimensionsError(Exception):
    """An operation on arrays with more dimensions than an instruction has."""


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation on arrays.

    Attributes:
        code: Its number.
        operands: The result, and the arguments expanded to its shape. Arrays without memory, on the
            device ``meta``, get it in :func:`instructions`.
        plan: Address of the plan of a transform; 0 for element-wise operations.
        combines: Whether the values of each line along the last axis become one.
    """

    code: int
    operands: Sequence[torch.Tensor]
    plan: int = 0
    combines: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the result other than 1."""
        return tuple(size for size in self.operands[0].shape if size != 1)

    @property
    def is_elementwise(self) -> bool:
        """True if each element depends on the same element of others."""
        return not self.plan and not self.combines


@dataclass(frozen=True)
class Instructions:
    """Operations as the interpreter takes them.

    Attributes:
        rows: One instruction a row.
        memory: The arrays that they use.
    """

    rows: torch.Tensor
    memory: Sequence[torch.Tensor]


def storage(array: torch.Tensor) -> int:
    """Identifies the memory of an array, also of one that has none yet."""
    return int(array.untyped_storage()._cdata)


def instructions(operations: Sequence[Operation]) -> Instructions:
    """Instructions of operations whose results nobody else needs, but those in given memory.

    Raises:
        TooManyDimensionsError: if an array has too many dimensions.
    """
    groups = _groups(operations)
    memory = _Memory(groups)
    rows: list[list[int]] = []
    for number, group in enumerate(groups):
        memory.enter(number)
        rows += [_whole(group[0], memory)] if group[0].plan else _loop(group, memory)
        memory.leave(number)
    width = 2 + DIMS + OPERANDS + 2 * OPERANDS * DIMS
    table = torch.tensor(rows, dtype=torch.int64).reshape(-1, width)
    return Instructions(table, memory.arrays)


def _groups(operations: Sequence[Operation]) -> list[list[Operation]]:
    """Operations in an order in which many of equal shape follow one another."""
    waiting = _dependencies(operations)
    followers: list[list[int]] = [[] for _ in operations]
    for number, before in enumerate(waiting):
        for other in before:
            followers[other].append(number)
    left = [len(before) for before in waiting]
    ready = [number for number, count in enumerate(left) if not count]
    groups: list[list[Operation]] = []
    while ready:
        group = _Group(operations[min(ready)])
        pending = sorted(ready)
        ready = []
        while pending:
            number = pending.pop(0)
            if not group.takes(operations[number]):
                ready.append(number)
                continue
            group.add(operations[number])
            for follower in followers[number]:
                left[follower] -= 1
                if not left[follower]:
                    pending.append(follower)
        groups.append(group.operations)
    return groups


def _dependencies(operations: Sequence[Operation]) -> list[set[int]]:
    """Numbers of the operations that each one has to wait for."""
    writers: dict[int, list[int]] = {}
    readers: dict[int, list[int]] = {}
    found = []
    for number, each in enumerate(operations):
        result, *arguments = map(storage, each.operands)
        before = {other for argument in arguments for other in writers.get(argument, [])}
        found.append(before | set(readers.get(result, [])))
        writers.setdefault(result, []).append(number)
        for argument in arguments:
            readers.setdefault(argument, []).append(number)
    return found


class _Group:
    """Operations of equal shape, each of whose elements depends on the same element of others.

    Args:
        first: The first operation, which is not yet in the group.
    """

    def __init__(self, first: Operation) -> None:
        self.operations: list[Operation] = []
        self._first = first
        self._written: dict[int, list[tuple[object, ...]]] = {}
        self._read: dict[int, list[tuple[object, ...]]] = {}

    def takes(self, operation: Operation) -> bool:
        """True if an operation may be run in the same loop."""
        if operation is self._first:
            return True
        both = operation.is_elementwise and self._first.is_elementwise
        if not both or operation.shape != self._first.shape:
            return False
        result, *arguments = operation.operands
        before = self._read.get(storage(result), [])
        return all(view == _view(result) for view in before) and all(
            _view(each) in self._written.get(storage(each), [_view(each)]) for each in arguments
        )

    def add(self, operation: Operation) -> None:
        """Append an operation."""
        self.operations.append(operation)
        result, *arguments = operation.operands
        self._written.setdefault(storage(result), []).append(_view(result))
        for each in arguments:
            self._read.setdefault(storage(each), []).append(_view(each))


def _view(array: torch.Tensor) -> tuple[object, ...]:
    """The elements of its memory that an array has."""
    return array.dtype, array.storage_offset(), tuple(_squeezed(array.shape, array.stride()))


def _squeezed(shape: Sequence[int], strides: Sequence[int]) -> list[int]:
    return [stride for size, stride in zip(shape, strides, strict=True) if size != 1]


class _Memory:
    """Addresses of arrays; memory that is no longer needed is used again.

    Args:
        groups: The operations in their order.

    Attributes:
        arrays: The memory in use.
    """

    def __init__(self, groups: Sequence[Sequence[Operation]]) -> None:
        self.arrays: list[torch.Tensor] = []
        self._free: dict[int, list[torch.Tensor]] = {}
        self._places: dict[int, torch.Tensor] = {}
        self._first: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._bytes: dict[int, int] = {}
        partial = set()
        for number, group in enumerate(groups):
            for operation in group:
                for each in operation.operands:
                    key = storage(each)
                    if each.device.type == "meta":
                        self._first.setdefault(key, number)
                        self._last[key] = number
                        self._bytes[key] = each.untyped_storage().nbytes()
                made = operation.operands[0]
                size = made.numel() * made.element_size()
                if not operation.is_elementwise or size != self._bytes.get(storage(made)):
                    partial.add(storage(made))
        # Results that no other loop needs have the size of a block.
        self._local = {
            key for key, first in self._first.items() if self._last[key] == first
        } - partial

    def enter(self, number: int) -> None:
        """Give memory to the arrays that a group writes to first."""
        for key, first in self._first.items():
            if first == number and key not in self._local:
                self._places[key] = self._take(self._bytes[key])

    def leave(self, number: int) -> None:
        """Take it from those that are not needed after a group."""
        for key, last in self._last.items():
            if last == number:
                self._give(self._places.pop(key))

    def is_local(self, array: torch.Tensor) -> bool:
        """True if only one group needs an array."""
        return storage(array) in self._local

    def place_block(self, array: torch.Tensor, elements: int) -> None:
        """Give memory for a block to an array that only one group needs."""
        self._places[storage(array)] = self._take(elements * array.element_size())

    def address(self, array: torch.Tensor) -> int:
        """Address of the first element; of a block, of its memory."""
        if array.device.type != "meta":
            return array.data_ptr()
        start = self._places[storage(array)].data_ptr()
        inside = int(array.storage_offset()) * array.element_size()
        return start if self.is_local(array) else start + inside

    def _take(self, size: int) -> torch.Tensor:
        free = self._free.setdefault(size, [])
        if free:
            return free.pop()
        self.arrays.append(torch.zeros(size, dtype=torch.uint8))
        return self.arrays[-1]

    def _give(self, memory: torch.Tensor) -> None:
        self._free[len(memory)].append(memory)


def _whole(operation: Operation, memory: _Memory) -> list[int]:
    """The instruction of a transform of contiguous arrays."""
    places = [memory.address(each) for each in operation.operands]
    places += [0] * (OPERANDS - len(places))
    blank = [0] * (2 * OPERANDS * DIMS)
    return [operation.code, operation.plan, *[1] * DIMS, *places, *blank]


def _loop(group: Sequence[Operation], memory: _Memory) -> list[list[int]]:
    """The instructions of element-wise operations, and of the loop that they are in."""
    shape = group[0].shape
    table = [[_strides(each, memory) for each in operation.operands] for operation in group]
    flat = [strides for row in table for strides in row]
    sizes, merged = _merged(shape, flat)
    outer, inner, split = _blocks(sizes, merged, len(group) > 1)
    rows, left = [], iter(split)
    block = prod(inner)
    for operation in group:
        result = operation.operands[0]
        if memory.is_local(result):
            memory.place_block(result, block)
        views = [next(left) for _ in operation.operands]
        steps, jumps = [], []
        for each, strides in zip(operation.operands, views, strict=True):
            ahead, within = strides[: len(outer)], strides[len(outer) :]
            local = memory.is_local(each)
            steps.append(_contiguous(inner) if local else within)
            jumps.append([0 if local else each.element_size() * n for n in ahead])
        rows.append(_instruction(operation, inner, steps, jumps, memory))
    if prod(outer) == 1:
        return rows
    blank = [0] * (OPERANDS + 2 * OPERANDS * DIMS)
    return [[LOOP, len(rows), *_padded(outer, 1), *blank], *rows]


def _strides(array: torch.Tensor, memory: _Memory) -> list[int]:
    """Strides of the dimensions of sizes other than 1; those of a block follow the others'."""
    if memory.is_local(array):
        return _contiguous([size for size in array.shape if size != 1])
    return _squeezed(array.shape, array.stride())


def _instruction(
    operation: Operation,
    sizes: Sequence[int],
    steps: Sequence[Sequence[int]],
    jumps: Sequence[Sequence[int]],
    memory: _Memory,
) -> list[int]:
    """One row: code, sizes, addresses, strides within a block, and from block to block."""
    places = [memory.address(each) for each in operation.operands]
    own, merged = _merged(sizes, steps)
    missing = OPERANDS - len(places)
    strides = [number for line in merged for number in _padded(line, 0)]
    ahead = [number for line in jumps for number in _padded(line, 0)]
    blank = [0] * (missing * DIMS)
    places += [places[0]] * missing
    return [operation.code, 0, *_padded(own, 1), *places, *strides, *blank, *ahead, *blank]


def _merged(
    shape: Sequence[int], strides: Sequence[Sequence[int]]
) -> tuple[list[int], list[list[int]]]:
    """Sizes and strides with as few dimensions as possible."""
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
    if len(sizes) > DIMS:
        raise TooManyDimensionsError
    return sizes, steps


def _blocks(
    sizes: Sequence[int], strides: Sequence[Sequence[int]], is_split: bool
) -> tuple[list[int], list[int], list[list[int]]]:
    """Sizes of the loop over blocks, sizes of a block, and the strides of both together."""
    if not is_split:
        return [], list(sizes), [list(line) for line in strides]
    first, size = len(sizes), 1
    while first and size * sizes[first - 1] <= _BLOCK:
        first -= 1
        size *= sizes[first]
    if not first:
        return [], list(sizes), [list(line) for line in strides]
    length = sizes[first - 1]
    part = max(
        n for n in range(1, length + 1) if length % n == 0 and (n == 1 or n * size <= _BLOCK)
    )
    outer = [*sizes[: first - 1], length // part]
    inner = [part, *sizes[first:]]
    split = [
        [*line[: first - 1], line[first - 1] * part, line[first - 1], *line[first:]]
        for line in strides
    ]
    if len(outer) > DIMS:
        raise TooManyDimensionsError
    return outer, inner, split


def _contiguous(sizes: Sequence[int]) -> list[int]:
    return [prod(sizes[place + 1 :]) for place in range(len(sizes))]


def _padded(numbers: Sequence[int], value: int) -> list[int]:
    return [value] * (DIMS - len(numbers)) + list(numbers)
