"""Functions of native tensors that run without Python, for small states.

On small arrays the call of an operation takes longer than its arithmetic. A graph of sums,
products and Fourier transforms becomes a list of operations on fixed arrays, which an interpreter
in C++ runs for all steps of several frames at once.
"""

from collections import OrderedDict
from threading import Lock

import torch

from hybrid_pde.numerics.array_loops import Instructions, storage
from hybrid_pde.numerics.array_program_library import Library, library
from hybrid_pde.numerics.graph_part import Part
from hybrid_pde.numerics.graph_recorder import Tensors
from hybrid_pde.numerics.operation_list import OperationList, UnsupportedError


class ArrayProgram:
    """A function from states to states that is run several times.

    Args:
        step: The function: its inputs are the kept tensors, the states and other changing tensors,
            its results the next states.
        kept: Its constants and held tensors.
        changing: Examples of the changing tensors; the states come first.
        observed: A function of the states whose results are wanted after each frame.
        renewal: A function of the states that is run before a step now and then.
        period: Number of steps after which it is.

    Attributes:
        num_observed: Number of results that are wanted after each frame.
        num_bytes: Size of its arrays.

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
        self._operations = OperationList(found)
        # The arrays are addressed by the list and must not go.
        self._kept = [each.detach().clone() for each in kept]
        self._given: Tensors | None = None
        self._lock = Lock()
        self._changing = [torch.zeros(each.shape, dtype=each.dtype) for each in changing]
        self._period = period
        lists = [self._replacing(step, [*self._kept, *self._changing])]
        again = [] if renewal is None else [*renewal.constants, *self._states]
        lists.append(
            self._operations.lowered() if renewal is None else self._replacing(renewal, again)
        )
        inputs = [*observed.constants, *self._states]
        results = self._operations.translate(observed.module.graph, inputs)
        self.num_observed = len(results)
        made = [torch.zeros(each.shape, dtype=each.dtype) for each in results]
        for own, each in zip(made, results, strict=True):
            self._operations.emit("copy", own, each)
        self._wanted = [*self._states, *made]
        self._lists = [*lists, self._operations.lowered()]
        arrays = [*self._kept, *self._wanted, *(u for each in self._lists for u in each.memory)]
        self.num_bytes = sum(each.numel() * each.element_size() for each in arrays)

    def run(
        self, kept: Tensors, changing: Tensors, first: int, steps: int, frames: int
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The states ``[F, …]`` after each frame, and what is observed of them.

        Args:
            kept: Constants and held tensors.
            changing: The states before, and the other changing tensors, which stay the same.
            first: Number of steps before.
            steps: Number of steps in a frame.
            frames: Number of frames.
        """
        with self._lock:  # threads may share the arrays
            if kept is not self._given:
                for own, value in zip(self._kept, kept, strict=True):
                    own.copy_(value)
                self._given = kept
            for own, value in zip(self._changing, changing, strict=True):
                own.copy_(value)
            made = [torch.empty((frames, *u.shape), dtype=u.dtype) for u in self._wanted]
            arrays = [
                [own.data_ptr(), each.data_ptr(), own.numel() * own.element_size()]
                for own, each in zip(self._wanted, made, strict=True)
            ]
            counts = self._period, first, steps, frames
            self._library.run([each.rows for each in self._lists], counts, torch.tensor(arrays))
            return made[: len(self._states)], made[len(self._states) :]

    def _replacing(self, part: Part, inputs: Tensors) -> Instructions:
        """The operations of a function that replaces the states by its results."""
        operations = self._operations
        results = operations.translate(part.module.graph, inputs)
        self._states = self._changing[: len(results)]
        results = [operations.contiguous(each, _shares(each, self._states)) for each in results]
        for state, result in zip(self._states, results, strict=True):
            operations.emit("copy", state, result)
        return operations.lowered()


class ProgramCache:
    """The lists that were used last, as many as have a given size in all.

    Args:
        most_bytes: The size.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._programs: OrderedDict[object, ArrayProgram] = OrderedDict()

    def get(self, key: object) -> ArrayProgram | None:
        """The list of a key, if it is there."""
        if key in self._programs:
            self._programs.move_to_end(key)
        return self._programs.get(key)

    def put(self, key: object, program: ArrayProgram) -> None:
        """Keep a list; those that were not used for longest go."""
        self._programs[key] = program
        total = sum(each.num_bytes for each in self._programs.values())
        while total > self._most_bytes:
            _, oldest = self._programs.popitem(last=False)
            total -= oldest.num_bytes


def _shares(values: torch.Tensor, others: Tensors) -> bool:
    """True if the values are in the memory of another tensor."""
    return any(storage(each) == storage(values) for each in others)
