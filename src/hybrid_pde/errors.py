"""Errors that a user can cause, and printing of text that comes from files.

Every message says where (file, key), what was found, what is allowed, and what to do.
"""

import logging
import traceback
import unicodedata

# Other: control, format (text direction), surrogate (bytes of a name that are not UTF-8),
# unassigned; and the separators of lines and paragraphs
_ESCAPED = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
_KEPT = "\n\t"
# of the names under which files with user-defined models are imported
USER_MODULE = "_user_module_"


def printable(text: str) -> str:
    """The text with its control characters escaped; lines and tabs stay."""
    if text.isprintable():
        return text
    return "".join(
        each.encode("unicode_escape", "surrogatepass").decode("ascii")
        if each not in _KEPT and unicodedata.category(each) in _ESCAPED
        else each
        for each in text
    )


class _PrintableRecord(logging.LogRecord):
    def getMessage(self) -> str:  # noqa: N802
        return printable(super().getMessage())


def make_log_printable() -> None:
    """Let every log record of this process have a printable message; for programs only."""
    logging.setLogRecordFactory(_PrintableRecord)


class UserError(ValueError):
    """Base class of all errors caused by user input.

    Command-line programs print the message without a traceback. Control characters in it, e.g. of
    a file's name, are escaped.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(UserError):
    """The experiment file contains a key or value that is not allowed."""


class RawDataError(UserError):
    """A raw file cannot be read or lacks what the experiment needs."""


class MachineError(UserError):
    """This machine lacks what the experiment asks for, e.g. a GPU; another one may have it."""


class OwnModelError(UserError):
    """A user-defined model does not do what its interface asks for."""


def error_of_own_model(error: BaseException) -> OwnModelError | None:
    """The error as one of a user-defined model, if it was raised in or under the model's code."""
    for frame, line in reversed([*traceback.walk_tb(error.__traceback__)]):
        if frame.f_globals.get("__name__", "").startswith(USER_MODULE):
            code = frame.f_code
            return OwnModelError(
                f"{code.co_filename}:{line}: {code.co_qualname} fails: {type(error).__name__}: "
                f"{error}; correct the model"
            )
    return None


class CacheError(UserError):
    """A cached simulation is truncated, not a cache file, or of another schema version."""


class CheckpointError(UserError):
    """A checkpoint or model file is damaged or was written with other settings."""


class DivergenceError(UserError):
    """A simulation produced non-finite values."""


class CalibrationError(UserError):
    """The parameters cannot be estimated from the given data."""


class DamagedResultError(UserError):
    """A result file has other content than its stage writes."""


class ExchangeError(UserError):
    """In a hybrid cycle one model has no information for the other."""


class StorageError(UserError, OSError):
    """A disk is full or not writable."""


class RunningError(UserError):
    """Another run is using the same folder, or left its lock behind."""


class PinnedError(UserError):
    """A pinned experiment lacks a requested result, or its results have changed."""


class StateError(UserError):
    """A state cannot start a rollout of a model: other grid, fields, units, or no such frame."""


class ExportError(UserError):
    """A model cannot be exported, or a file cannot be written in the format asked for."""
