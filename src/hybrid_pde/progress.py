"""Progress bars for long stages, shown only on a terminal, and messages that do not break them."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
# without a known end, e.g. "calibrating: 7 steps [00:08, loss 0.0031, at most 4 min left]"
_OPEN_FORMAT = "{desc}: {n_fmt} steps [{elapsed}{postfix}]"
_MINUTE = 60.0


def progress(
    iterable: Iterable[Item], description: str, total: int | None = None, *, quiet: bool = False
) -> Iterable[Item]:
    """Iterate over the items and show a progress bar with the remaining time.

    Without a terminal (in a cluster job, or with output sent to a log file) no bar is shown.

    Args:
        iterable: The items.
        description: Label of the bar, e.g. ``training``.
        total: Number of items, if the iterable has no length.
        quiet: Show no bar, e.g. in all but the first of several processes.
    """
    # None asks tqdm to look for a terminal
    return tqdm(iterable, description, total, leave=False, disable=True if quiet else None)


class Steps:
    """Progress of a search in phases, each with a largest number of steps or without any limit.

    Args:
        description: Label of the bar.
    """

    def __init__(self, description: str) -> None:
        self._bar = tqdm(
            desc=description, leave=False, disable=None, bar_format=_OPEN_FORMAT, miniters=1
        )
        self.begin(description, None)

    def begin(self, description: str, most: int | None) -> None:
        """Begin a phase.

        Args:
            description: What is done now.
            most: Its largest number of steps, from which the remaining time is bounded.
        """
        self._most, self._started, self._count = most, time.monotonic(), 0
        self._bar.set_description_str(description)

    def advance(self, **shown: float) -> None:
        """Count a step.

        Args:
            shown: Numbers to show beside it, e.g. the loss.
        """
        self._count += 1
        parts = [f"{name} {value:.3g}" for name, value in shown.items()]
        if self._most is not None:
            each = (time.monotonic() - self._started) / self._count
            parts.append(f"at most {_duration(max(0, self._most - self._count) * each)} left")
        self._bar.set_postfix_str(", ".join(parts), refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


_steps: ContextVar[Steps | None] = ContextVar("steps", default=None)


@contextmanager
def counted_steps(description: str) -> Iterator[None]:
    """Show the progress of the steps that :func:`count_step` counts in the block."""
    steps = Steps(description)
    token = _steps.set(steps)
    try:
        yield
    finally:
        _steps.reset(token)
        steps.close()


def count_step(**shown: float) -> None:
    """Count a step of the surrounding :func:`counted_steps`, if there is one."""
    if (steps := _steps.get()) is not None:
        steps.advance(**shown)


def begin_phase(description: str, most: int | None = None) -> None:
    """Begin a phase of the surrounding :func:`counted_steps`, see :meth:`Steps.begin`."""
    if (steps := _steps.get()) is not None:
        steps.begin(description, most)


class MessageHandler(logging.StreamHandler[Any]):
    """Messages on the terminal above the progress bars, which are drawn again below."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message."""
        with tqdm.external_write_mode(file=self.stream):
            super().emit(record)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _MINUTE else f"{seconds / _MINUTE:.0f} min"
