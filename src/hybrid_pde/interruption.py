"""How a program is asked to end, and does so without losing what it has done.

A scheduler sends SIGTERM before it kills, a terminal SIGINT for Ctrl-C, and SIGHUP where it is
closed.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# What `sysexits.h` calls a temporary failure: the same call goes on.
EXIT_CODE = os.EX_TEMPFAIL
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Signals within so many seconds are one.
_SAME_S = 1.0

Handler = Callable[[int, FrameType | None], None]


class Interrupted(KeyboardInterrupt):
    """The program was asked to end; no ``except Exception`` on the way takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")


class StopRequest:
    """Lets the first signal wait until what is being done can be saved.

    As a context manager; one that comes a second later or more raises at once (what ends a group of
    processes is often sent twice). Outside the main thread, where Python
    handles no signals, nothing is ever requested.

    Attributes:
        number: The signal that came, or ``None``.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._since = 0.0
        self._handled = _handled(self._note)

    def __enter__(self) -> "StopRequest":
        self._handled.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._handled.__exit__(None, None, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number, self._since = number, time.monotonic()
        elif time.monotonic() - self._since >= _SAME_S:
            raise Interrupted(number)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block a signal raises :class:`Interrupted` where the program is."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    with _handled(interrupt):
        yield


@contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    """Handle the signals that are not ignored, as ``nohup`` has SIGHUP ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    mine = [number for number, found in before.items() if found not in (signal.SIG_IGN, None)]
    for number in mine:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])
