"""Functions of native tensors that run without Python, for small states.

On small arrays the call of an operation takes longer than its arithmetic. A graph of sums,
products and Fourier transforms becomes a list of operations on fixed arrays, which an interpreter
in C++ runs for all steps of several frames at once, for parts of a batch on several threads.
"""

from collections import OrderedDict
from threading import Lock
from typing import Generic, Protocol, TypeVar

import torch

from hybrid_pde.numerics.array_loops import PLACES, Instructions, storage
from hybrid_pde.numerics.array_program_library import Library, library
from hybrid_pde.numerics.batch_parts import Parts, Transfers
from hybrid_pde.numerics.graph_part import Part
from hybrid_pde.numerics.graph_recorder import Tensors
from hybrid_pde.numerics.operation_list import OperationList, UnsupportedError

# Bytes of state times steps that are less work than starting a thread.
_LEAST_SHARED = 2**19
_ONE_START = torch.tensor([0])


class ArrayProgram:
    """A function from states to states that is run several times.

    Args:
        step: The function: its inputs are the kept tensors, the states and other changing tensors,
            its results the next states.
        kept: Its constants and held tensors.
        changing: Examples of the changing tensors; the states come first.
        observed: A function whose results are wanted after each frame, of kept tensors of its own
            and the states.
        seen: These kept tensors.
        renewal: A function of the states that is run before a step now and then.
        period: Number of steps after which it is.
        on_one_thread: Whether transforms run on one thread, as parts of a batch run at once.

    Attributes:
        num_observed: Number of results that are wanted after each frame.

    Raises:
        UnsupportedError: if an operation is not supported.
    """

    def __init__(
        self,
        step: Part,
        kept: Tensors,
        changing: Tensors,
        observed: tuple[Part, Tensors],
        renewal: Part | None = None,
        period: int = 1,
        on_one_thread: bool = False,
    ) -> None:
        found = library()
        if found is None:
            raise UnsupportedError("no interpreter")
        self._library: Library = found
        self._operations = OperationList(found, on_one_thread)
        self._lock = Lock()
        self._period = period
        # The arrays are addressed by the list and must not go.
        own, seen = ([_contiguous_copy(each) for each in u] for u in (kept, observed[1]))
        self._num_kept = len(own) + len(seen)
        self._changing = [torch.zeros(each.shape, dtype=each.dtype) for each in changing]
        lists = [self._replacing(step, [*own, *self._changing])]
        again = [] if renewal is None else [*renewal.constants, *self._states]
        lists.append(
            self._operations.lowered() if renewal is None else self._replacing(renewal, again)
        )
        results = self._operations.translate(observed[0].module.graph, [*seen, *self._states])
        self.num_observed = len(results)
        made = [torch.zeros(each.shape, dtype=each.dtype) for each in results]
        for array, each in zip(made, results, strict=True):
            self._operations.emit("copy", array, each)
        lists.append(self._operations.lowered())
        memory = [array for each in lists for array in each.memory]
        arrays = [*own, *seen, *self._changing, *made]
        self._copies = [_Copy([each.rows for each in lists], arrays, memory)]
        self._places = torch.tensor([self._copies[0].places])

    @property
    def num_bytes(self) -> int:
        """Size of its arrays."""
        return sum(each.num_bytes for each in self._copies)

    def run(
        self,
        kept: Tensors,
        changing: Tensors,
        counts: tuple[int, int, int],
        parts: Parts | None = None,
        kept_by_part: bool = False,
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The states ``[F, …]`` after each frame, and what is observed of them.

        What is observed beyond the states has an axis of the parts, ``[F, P, …]``, if there are
        any.

        Args:
            kept: Constants and held tensors, of the observation, too.
            changing: The states before, and the other changing tensors, which stay the same.
            counts: Number of steps before, of steps in a frame, of frames.
            parts: Parts of the batch; ``None`` if it is not divided.
            kept_by_part: Whether kept tensors are those of each part, ``[P, …]``.
        """
        *_, steps, frames = counts
        starts = _ONE_START if parts is None else torch.tensor(parts.starts)
        axes: list[int | None] = [None] * len(changing) if parts is None else [*parts.axes]
        given = [each.detach().contiguous() for each in changing]
        inputs, results = Transfers(parts), Transfers(parts, frames)
        first = self._copies[0].arrays
        for number, (value, axis) in enumerate(zip(given, axes, strict=True), self._num_kept):
            inputs.add(number, first[number], value, axis)
        for number, value in enumerate(kept if kept_by_part else []):
            inputs.add_by_part(number, value)
        states = range(self._num_kept, self._num_kept + len(self._states))
        others = range(len(first) - self.num_observed, len(first))
        axes_seen = [*axes[: len(states)], *[None] * self.num_observed][: self.num_observed]
        made = [results.new(n, first[n], axes[n - self._num_kept]) for n in states]
        seen = [results.new(n, first[n], a) for n, a in zip(others, axes_seen, strict=True)]
        size = sum(each.numel() * each.element_size() for each in self._changing)
        work = size * len(starts) * steps * frames
        with self._lock:  # threads of Python may share the arrays
            copies = self._take(1 if work < _LEAST_SHARED else len(starts))
            for copy in copies:
                copy.keep(None if kept_by_part else kept)
            places = self._places[: len(copies)]
            tables = [places, starts, inputs.table(), results.table()]
            lengths = [len(rows) for rows in self._copies[0].lists]
            self._library.run(lengths, [self._period, *counts], tables)
        return made, seen

    def _take(self, number: int) -> list["_Copy"]:
        """As many copies as there are parts, or threads."""
        number = min(number, torch.get_num_threads())
        while len(self._copies) < number:
            self._copies.append(self._copies[0].again())
            self._places = torch.tensor([copy.places for copy in self._copies])
        return self._copies[:number]

    def _replacing(self, part: Part, inputs: Tensors) -> Instructions:
        """The operations of a function that replaces the states by its results."""
        operations = self._operations
        results = operations.translate(part.module.graph, inputs)
        self._states = self._changing[: len(results)]
        results = [operations.contiguous(each, _shares(each, self._states)) for each in results]
        for state, result in zip(self._states, results, strict=True):
            operations.emit("copy", state, result)
        return operations.lowered()


class _Copy:
    """The instructions of a program with the arrays that they address.

    Args:
        lists: The instructions.
        arrays: Kept tensors, changing tensors, results.
        memory: Intermediate results.
    """

    def __init__(
        self, lists: list[torch.Tensor], arrays: list[torch.Tensor], memory: list[torch.Tensor]
    ) -> None:
        self.lists, self.arrays, self._memory = lists, arrays, memory
        self._addresses = torch.tensor([each.data_ptr() for each in arrays])
        self._given: Tensors | None = None
        self.places = [*(each.data_ptr() for each in lists), self._addresses.data_ptr()]
        self.num_bytes = sum(each.numel() * each.element_size() for each in [*arrays, *memory])

    def keep(self, kept: Tensors | None) -> None:
        """Take these constants and held tensors; ``None`` if each part of a batch has its own."""
        if kept is not None and kept is not self._given:
            for own, value in zip(self.arrays, kept, strict=False):
                own.copy_(value)
        self._given = kept

    def again(self) -> "_Copy":
        """The same with other arrays; numbers that the operations have are shared."""
        before = [*self.arrays, *self._memory]
        after = [each.clone() for each in before]
        begins = torch.tensor([each.untyped_storage().data_ptr() for each in before])
        sizes = torch.tensor([each.untyped_storage().nbytes() for each in before])
        shifts = torch.tensor([each.untyped_storage().data_ptr() for each in after]) - begins
        order = begins.argsort()
        begins, sizes, shifts = begins[order], sizes[order], shifts[order]
        lists = []
        for rows in self.lists:
            moved = rows.clone()
            places = moved[:, PLACES]
            found = (torch.searchsorted(begins, places.contiguous(), right=True) - 1).clamp(min=0)
            inside = (places >= begins[found]) & (places < begins[found] + sizes[found])
            moved[:, PLACES] = places + torch.where(inside, shifts[found], 0)
            lists.append(moved)
        return _Copy(lists, after[: len(self.arrays)], after[len(self.arrays) :])


class _HasSize(Protocol):
    @property
    def num_bytes(self) -> int: ...


_Program = TypeVar("_Program", bound=_HasSize)


class ProgramCache(Generic[_Program]):
    """The lists that were used last, as many as have a given size in all.

    Args:
        most_bytes: The size.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._programs: OrderedDict[object, _Program] = OrderedDict()

    def get(self, key: object) -> _Program | None:
        """The list of a key, if it is there."""
        if key in self._programs:
            self._programs.move_to_end(key)
        return self._programs.get(key)

    def put(self, key: object, program: _Program) -> None:
        """Keep a list; those that were not used for longest go."""
        self._programs[key] = program
        total = sum(each.num_bytes for each in self._programs.values())
        while total > self._most_bytes:
            _, oldest = self._programs.popitem(last=False)
            total -= oldest.num_bytes


def _contiguous_copy(values: torch.Tensor) -> torch.Tensor:
    return values.detach().clone(memory_format=torch.contiguous_format)


def _shares(values: torch.Tensor, others: Tensors) -> bool:
    """True if the values are in the memory of another tensor."""
    return any(storage(each) == storage(values) for each in others)
