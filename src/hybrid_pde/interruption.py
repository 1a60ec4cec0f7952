"""Handling of termination signals, so that a program can save its work before it ends.

A scheduler sends SIGTERM before SIGKILL; a terminal sends SIGINT on Ctrl-C and SIGHUP when it is
closed.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# A temporary failure in `sysexits.h`: running the same command again resumes the work.
EXIT_CODE = os.EX_TEMPFAIL
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Signals within this time count as one.
_REPEAT_S = 1.0
_IMPORTS = "<frozen importlib._bootstrap>"  # the file of Python's import system in tracebacks

Handler = Callable[[int, FrameType | None], None]


class Interrupted(KeyboardInterrupt):
    """The program received a termination signal.

    A ``KeyboardInterrupt``, so that ``except Exception`` does not treat it as a failure.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")


class StopRequest:
    """Context manager that records the first signal, so that the work in progress can be saved.

    A further signal one second later or more raises :class:`Interrupted` at once. (A signal to a
    process group often arrives twice.) Outside the main thread Python handles no signals, so no
    stop is ever requested.

    Attributes:
        number: The signal received, or ``None``.
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
        elif time.monotonic() - self._since >= _REPEAT_S:
            raise Interrupted(number)


def end_without_traceback() -> Callable[[], None]:
    """Let Ctrl-C end the program with one sentence, while there is nothing to save.

    Does nothing where Ctrl-C is ignored or handled by somebody else, or outside the main thread.

    Returns:
        A function that restores what was before.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) != signal.default_int_handler:
        return lambda: None

    def end(number: int, frame: FrameType | None) -> None:
        with suppress(OSError):  # the stream is closed
            os.write(2, f"ended by {signal.Signals(number).name}\n".encode())
        raise SystemExit(EXIT_CODE)  # no `except Exception` takes it, and locks are released

    def restore() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, end)
    return restore


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise :class:`Interrupted` on a signal within the block.

    While a module is imported, the process ends at once: an exception in the initialization of a
    C++ library aborts it, and an import has nothing to save.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupted = Interrupted(number)
        if _is_importing(frame):
            shown = f"ERROR: {interrupted}; run the same command again to continue\n"
            with suppress(OSError):  # the stream is closed
                os.write(2, shown.encode())
            os._exit(EXIT_CODE)
        raise interrupted

    with _handled(interrupt):
        yield


@contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    """Install the handler for all signals that are not ignored (``nohup`` ignores SIGHUP)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    handled = [number for number, found in before.items() if found not in (signal.SIG_IGN, None)]
    for number in handled:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])


def _is_importing(frame: FrameType | None) -> bool:
    """True if a frame is within the import of a module."""
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTS:
            return True
        frame = frame.f_back
    return False
