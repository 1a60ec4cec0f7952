"""Text that is safe to print: names from files cannot command the terminal."""

import logging
import unicodedata

# Other: control, format (text direction), surrogate (bytes of a name that are not UTF-8),
# unassigned; and the separators of lines and paragraphs
_ESCAPED = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
_KEPT = "\n\t"


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
