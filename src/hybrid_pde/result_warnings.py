"""Warnings about results: issued once, shown without a source line, and kept with the result."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

STAGES = (
    "simulate",
    "cache",
    "guide",
    "train_physical",
    "augment",
    "train_synthetic",
    "evaluate",
)  # in the order of a cycle
DATA_STAGES = ("simulate", "cache")  # not repeated in every cycle
EARLIER = "in an earlier cycle: "
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


@contextmanager
def silent_warnings() -> Iterator[None]:
    """Neither show nor record the warnings about results that are issued in the block.

    Records that are begun in the block have them, for a caller that passes them on in other words.
    """
    token = _records.set(())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResultWarning)
            yield
    finally:
        _records.reset(token)


def inherited(stage: str, texts: Iterable[str]) -> list[str]:
    """Warnings of an earlier stage as a later stage keeps them: with the stage's name in front.

    Args:
        stage: Name of the stage, e.g. ``cache``.
        texts: Its warnings; those that it has inherited itself keep their own stage.
    """
    return [text if stage_of(text, "")[0] else f"{stage}: {text}" for text in texts]


def of_earlier_cycle(stage: str, texts: Iterable[str]) -> list[str]:
    """Warnings of the cycle before, as the next cycle's result keeps them.

    Those about the data hold for every cycle and stay as they are.

    Args:
        stage: Stage of the result that kept them.
        texts: Its warnings.
    """
    found = []
    for text in texts:
        origin, message = stage_of(text, stage)
        is_of_data = origin in DATA_STAGES or message.startswith(EARLIER)
        found.append(f"{origin}: {message if is_of_data else EARLIER + message}")
    return found


def stage_of(text: str, stage: str) -> tuple[str, str]:
    """Stage and message of a warning that was kept by ``stage``, which may have inherited it."""
    origin, colon, message = text.partition(": ")
    return (origin, message) if colon and origin in STAGES else (stage, text)


def summary_of(found: Iterable[tuple[str, str]]) -> str:
    """Summary of a run's warnings, a line each: pairs of stage and message."""
    lines = [f"{stage}: {message}" for stage, message in found]
    if not lines:
        return "no warnings about the results"
    number = "one warning" if len(lines) == 1 else f"{len(lines)} warnings"
    return "\n  ".join([f"{number} about the results:", *lines])


def show_as_messages() -> None:
    """Format warnings about results as their message alone, without file and source line."""
    default = warnings.formatwarning

    def formatted(message, category, *place, **line) -> str:  # type: ignore[no-untyped-def]
        if issubclass(category, ResultWarning):
            return str(message)
        return default(message, category, *place, **line)

    warnings.formatwarning = formatted
