"""Files of states, which need one frame only; simulations need two, for a time step."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# of the file that is opened next; readers need not pass it on
_allowed: ContextVar[bool] = ContextVar("single_frames", default=False)


@contextmanager
def single_frames(allowed: bool = True) -> Iterator[None]:
    """Accept files with one frame, or without a time axis, among those opened in the block.

    Their only frame has the time 0 and, for want of another, a time step of 1. Without a time axis
    the fields count as static.
    """
    token = _allowed.set(allowed)
    try:
        yield
    finally:
        _allowed.reset(token)


def single_frames_allowed() -> bool:
    """True if the file that is being opened may have one frame only."""
    return _allowed.get()
