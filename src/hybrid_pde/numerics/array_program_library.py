"""The compiled interpreter of :mod:`array_program`, and plans of its Fourier transforms.

It is compiled once for a machine, which takes about two seconds, and kept in the folder of
:mod:`compilation_cache`. The transforms are those that PyTorch uses itself; PyTorch makes their
plans again at every call, which takes longer than a small transform.
"""

import ctypes
import hashlib
import logging
import os
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache, lru_cache
from math import prod
from pathlib import Path
from weakref import finalize

import torch

from hybrid_pde.numerics.compilation_cache import compiler_path, prepare_compilation

logger = logging.getLogger(__name__)

_SOURCE = Path(__file__).with_name("array_program.cpp")
_FLAGS: tuple[str, ...] = (
    "-O2",
    "-ftree-vectorize",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
)
_FLAGS += ("-std=c++17", "-fPIC", "-shared")
_LONGEST_COMPILATION_S = 120

# Constants of MKL's header mkl_dfti.h.
_REAL, _COMPLEX_COMPLEX, _NOT_INPLACE = 33, 39, 44
_BACKWARD_SCALE, _NUMBER, _CONJUGATE_EVEN, _PLACEMENT = 5, 7, 10, 11
_INPUT_STRIDES, _OUTPUT_STRIDES, _INPUT_DISTANCE, _OUTPUT_DISTANCE = 12, 13, 14, 15
_THREAD_LIMIT = 27
# Transforms of fewer values are faster on one thread.
_FEWEST_IN_PARALLEL = 2**15
_MOST_PLANS = 256
_Long = ctypes.c_long


class Library:
    """The functions of the interpreter and of PyTorch's libraries.

    Args:
        interpreter: The compiled interpreter.
        torch_cpu: PyTorch's library, with MKL's transforms; it depends on OpenMP.

    Raises:
        AttributeError: if a function is missing.
    """

    def __init__(self, interpreter: ctypes.CDLL, torch_cpu: ctypes.CDLL) -> None:
        self._run, self._mkl = interpreter.run_array_program, torch_cpu
        self._run.restype = _Long
        called = ("DftiComputeForward", "DftiComputeBackward", "GOMP_parallel")
        self._called = [ctypes.cast(getattr(torch_cpu, n), ctypes.c_void_p) for n in called]
        self._create = {
            (dtype, is_1d): getattr(
                torch_cpu, f"DftiCreateDescriptor_{kind}_{'1d' if is_1d else 'md'}"
            )
            for dtype, kind in ((torch.float32, "s"), (torch.float64, "d"))
            for is_1d in (True, False)
        }

    def run(
        self,
        lengths: Sequence[int],
        counts: Sequence[int],
        tables: Sequence[torch.Tensor],
    ) -> None:
        """Call the interpreter, without Python's lock.

        Args:
            lengths: Number of instructions of a step, of those that are run before a step now and
                then, of those that are run after a frame.
            counts: After how many steps the second ones are run, number of steps before, in a
                frame, of frames.
            tables: Copies of the list, starts of the parts, inputs, results: see
                ``array_program.cpp``, one a row.

        Raises:
            RuntimeError: if a transform fails.
        """
        numbers = [*lengths, *counts, *map(len, tables)]
        places = [table.data_ptr() for table in tables]
        places += [each.value or 0 for each in self._called]
        error = self._run(
            (ctypes.c_int64 * len(numbers))(*numbers), (ctypes.c_void_p * len(places))(*places)
        )
        if error:
            raise RuntimeError(f"a Fourier transform failed: error {error} of MKL")

    @lru_cache(maxsize=_MOST_PLANS)  # noqa: B019 there is one library
    def plan(
        self,
        sizes: tuple[int, ...],
        number: int,
        dtype: torch.dtype,
        is_forward: bool,
        on_one_thread: bool = False,
    ) -> "Plan":
        """A transform of contiguous real fields to their modes, or back with the factor 1/n.

        Args:
            sizes: Points along the transformed axes, which are the last ones.
            number: Number of fields.
            dtype: Type of the real fields.
            is_forward: Whether it is the transform to modes.
            on_one_thread: Whether the transform is run on one thread, whatever its size.
        """
        rank, handle = len(sizes), ctypes.c_void_p()
        lengths = (_Long * rank)(*sizes)
        shape = _Long(sizes[0]) if rank == 1 else lengths
        create = self._create[dtype, rank == 1]
        dimensions = [] if rank == 1 else [_Long(rank)]
        self._check(create(ctypes.byref(handle), _REAL, *dimensions, shape))
        plan = Plan(handle, self._mkl)
        half = [*sizes[:-1], sizes[-1] // 2 + 1]
        ends = [sizes, half] if is_forward else [half, sizes]
        strides = [(_Long * (rank + 1))(0, *_strides(each)) for each in ends]
        distances = [_Long(prod(each)) for each in ends]
        settings = {
            _PLACEMENT: _NOT_INPLACE,
            _CONJUGATE_EVEN: _COMPLEX_COMPLEX,
            _INPUT_STRIDES: strides[0],
            _OUTPUT_STRIDES: strides[1],
            _NUMBER: _Long(number),
            _INPUT_DISTANCE: distances[0],
            _OUTPUT_DISTANCE: distances[1],
            _BACKWARD_SCALE: ctypes.c_double(1 / prod(sizes)),
        }
        if on_one_thread or number * prod(sizes) < _FEWEST_IN_PARALLEL:
            settings[_THREAD_LIMIT] = _Long(1)
        for key, value in settings.items():
            self._check(self._mkl.DftiSetValue(handle, key, value))
        self._check(self._mkl.DftiCommitDescriptor(handle))
        return plan

    def _check(self, error: int) -> None:
        if error:
            raise RuntimeError(f"a Fourier transform cannot be planned: error {error} of MKL")


class Plan:
    """The plan of a transform, which is freed with this object.

    Args:
        handle: The plan.
        mkl: The library that it is of.
    """

    def __init__(self, handle: ctypes.c_void_p, mkl: ctypes.CDLL) -> None:
        self.address = handle.value or 0
        finalize(self, mkl.DftiFreeDescriptor, ctypes.byref(handle)).atexit = False


@cache
def library() -> Library | None:
    """The library; ``None`` without a compiler, or where PyTorch has no MKL or OpenMP."""
    try:
        torch_cpu = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        return Library(ctypes.CDLL(str(_compiled())), torch_cpu)
    except (OSError, AttributeError, subprocess.SubprocessError) as problem:
        said = getattr(problem, "stderr", None) or str(problem)
        logger.info("time steps run operation by operation: %s", said.strip())
        return None


def _compiled() -> Path:
    """The shared library, compiled unless it is there.

    Raises:
        OSError: if there is no compiler, or it cannot be written.
        SubprocessError: if the compiler fails.
    """
    folder = prepare_compilation()
    source = _SOURCE.read_bytes()
    name = hashlib.sha256(source + " ".join(_FLAGS).encode()).hexdigest()[:16]
    target = folder / f"array_program_{name}.so"
    if not target.exists():
        compiler = compiler_path()
        if compiler is None:
            raise FileNotFoundError("there is no C++ compiler")
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / target.name
            command = [compiler, *_FLAGS, str(_SOURCE), "-o", str(made)]
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=_LONGEST_COMPILATION_S
            )
            os.replace(made, target)
    return target


def _strides(sizes: Sequence[int]) -> list[int]:
    return [prod(sizes[place + 1 :]) for place in range(len(sizes))]
