"""Functions of native tensors that run without Python, for small states.

On small arrays the call of an operation takes longer than its arithmetic. A graph of sums,
products and Fourier transforms becomes a list of operations on fixed arrays, which an interpreter
in C++ runs for all steps of several frames at once.
"""

import torch

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
        self._changing = [self._operations.new(each.shape, each.dtype) for each in changing]
        self._period = period
        rows = [self._replacing(step, [*kept, *self._changing])]
        if renewal is not None:
            rows.append(self._replacing(renewal, [*renewal.constants, *self._states]))
        else:
            rows.append([])
        self._operations.begin()
        inputs = [*observed.constants, *self._states]
        results = self._operations.translate(observed.module.graph, inputs)
        self.num_observed = len(results)
        observed_arrays = [self._operations.contiguous(each) for each in results]
        self._wanted = [*self._states, *observed_arrays]
        rows.append(self._operations.rows)
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
        operations = self._operations
        operations.begin()
        results = operations.translate(part.module.graph, inputs)
        self._states = self._changing[: len(results)]
        results = [operations.contiguous(each, _shares(each, self._states)) for each in results]
        for state, result in zip(self._states, results, strict=True):
            operations.emit("copy", state, result)
        return operations.rows


def _shares(values: torch.Tensor, others: Tensors) -> bool:
    """True if the values are in the memory of another tensor."""
    own = values.untyped_storage().data_ptr()
    return any(each.untyped_storage().data_ptr() == own for each in others)
