"""Arithmetic without subnormal numbers."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_SUBNORMAL = 1e-40  # in single precision


@contextmanager
def without_subnormals() -> Iterator[None]:
    """Treat numbers below 1e-38 in single precision (1e-308 in double) as zero.

    Processors take up to a hundred times as long for such numbers as for others. Gradients of a
    network come to them where a field is nearly constant, and training then takes far longer.
    Applies to this thread, and to those that PyTorch starts meanwhile: see
    :func:`flush_subnormals`.
    """
    before = _are_flushed()
    flush_subnormals()
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def flush_subnormals() -> None:
    """Do so from now on.

    Called before PyTorch starts its threads, it applies to all of them; later only to this one.
    """
    torch.set_flush_denormal(True)


def _are_flushed() -> bool:
    return bool(torch.full((1,), _SUBNORMAL) * 1.0 == 0)
