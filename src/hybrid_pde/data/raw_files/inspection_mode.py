"""Inspection of raw files: what the pipeline refuses is noted, and the rest of the file is read.

A finding has a subject, ``time``, an axis or the name of a field, and a text.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from hybrid_pde.errors import RawDataError


@dataclass
class Findings:
    """Findings about the file that is being opened.

    Attributes:
        refused: Subjects and reasons for which the pipeline refuses the file.
        remarks: Subjects and texts of what is odd, and read all the same.
    """

    refused: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)


# of the file that is opened next; readers need not pass it on
_findings: ContextVar[Findings | None] = ContextVar("findings", default=None)


@contextmanager
def inspecting(is_wanted: bool = True) -> Iterator[Findings]:
    """Inspect the files opened in the block.

    A file's every readable variable counts as a field where ``data.fields`` is empty, and missing
    values are read as such.
    """
    findings = Findings()
    token = _findings.set(findings if is_wanted else None)
    try:
        yield findings
    finally:
        _findings.reset(token)


def is_inspecting() -> bool:
    """True if the file that is being opened is inspected."""
    return _findings.get() is not None


def refuse(subject: str, message: str) -> None:
    """Raise an error, or note it in an inspection.

    Raises:
        RawDataError: with the message, unless the file is inspected; without the file's name.
    """
    findings = _findings.get()
    if findings is None:
        raise RawDataError(message)
    findings.refused.append((subject, message))


def remark(subject: str, message: str) -> None:
    """Note what is odd in an inspection; nothing without one."""
    findings = _findings.get()
    if findings is not None:
        findings.remarks.append((subject, message))
