"""Allocation of large batches, and read-ahead of memory maps."""

import ctypes
import mmap
from collections.abc import Iterable, Sequence

import numpy as np
import torch

NUMPY_TYPES = {torch.float32: np.float32, torch.float64: np.float64}
# absent on Windows
_WILLNEED: int | None = getattr(mmap, "MADV_WILLNEED", None)
_LIBC = None if _WILLNEED is None else ctypes.CDLL(None)


def empty_batch(shape: Sequence[int], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """An uninitialized tensor in single or double precision.

    NumPy asks the system for large pages, PyTorch does not, and new memory is mapped page by page
    when it is first written: filling 34 MB, the size of 32 windows of 8 frames of 2 x 128² values,
    took 20 ms with PyTorch and 6 ms with this function.
    """
    return torch.from_numpy(np.empty(tuple(shape), dtype=NUMPY_TYPES[dtype]))


def stacked(views: Sequence[torch.Tensor]) -> torch.Tensor:
    """``torch.stack`` into memory from :func:`empty_batch`, for single precision."""
    if any(view.dtype != torch.float32 for view in views):
        return torch.stack(list(views))
    return torch.stack(list(views), out=empty_batch((len(views), *views[0].shape)))


def announce(views: Iterable[torch.Tensor]) -> None:
    """Advise the system which parts of memory maps are read next.

    It then reads exactly these parts from the disk, all at once. Otherwise it would read them one
    by one when they are touched, each with the disk's read-ahead (128 KB on many machines, 8 MB on
    some), which windows at random places do not need. Parts in memory already, or not in a file,
    are unaffected.

    Args:
        views: Parts of mapped tensors; non-contiguous ones are ignored.
    """
    if _LIBC is None:
        return
    for begin, end in _merged(view for view in views if view.is_contiguous()):
        _LIBC.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _WILLNEED)


def _merged(views: Iterable[torch.Tensor]) -> list[tuple[int, int]]:
    """The addresses of views from the beginning of a page; those that share or follow pages as one.

    A call takes 25 µs, and many small windows lie on few pages.
    """
    size, found = mmap.PAGESIZE, list[tuple[int, int]]()
    for begin, end in sorted((each.data_ptr(), each.data_ptr() + each.nbytes) for each in views):
        if found and begin // size <= -(-found[-1][1] // size):
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin - begin % size, end))
    return found
