"""Warnings about results: issued once, shown without a source line, and kept with the result."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_records: ContextVar[tuple[list[str], ...]] = ContextVar("result_warnings", default=())


class ResultWarning(UserWarning):
    """A result may be wrong or misleading; the message says why and what to do."""


def warn_of_result(message: str) -> None:
    """Issue a :class:`ResultWarning`, and add it to every record that is being kept.

    Args:
        message: What was found, what it means for the result, and what to do.
    """
    for record in _records.get():
        if message not in record:
            record.append(message)
    warnings.warn(message, ResultWarning, stacklevel=3)


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """Keep a record of all warnings about results issued in the block, each message once.

    The warnings are issued as usual. Records may be nested: each has those of its block.

    Yields:
        The messages so far, in the order of their first occurrence.
    """
    record: list[str] = []
    token = _records.set((*_records.get(), record))
    try:
        yield record
    finally:
        _records.reset(token)


def show_as_messages() -> None:
    """Format warnings about results as their message alone, without file and source line."""
    default = warnings.formatwarning

    def formatted(message, category, *place, **line) -> str:  # type: ignore[no-untyped-def]
        if issubclass(category, ResultWarning):
            return str(message)
        return default(message, category, *place, **line)

    warnings.formatwarning = formatted
