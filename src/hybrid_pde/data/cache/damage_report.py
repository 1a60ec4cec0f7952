"""Message for unusable raw files, in which an error that several share is given once."""

from collections.abc import Mapping
from pathlib import Path

MAX_ERRORS = 10  # different ones in a message
MAX_NAMES = 3  # further files that share an error


def damage_report(errors: Mapping[Path, str]) -> str:
    """Message for unusable files: what they have in common once, with their number and names.

    Args:
        errors: Error message of each file, which names it.
    """
    alike: dict[str, list[Path]] = {}
    for path, text in errors.items():
        alike.setdefault(text.replace(str(path), "").replace(path.name, ""), []).append(path)
    lines = []
    for first, *others in list(alike.values())[:MAX_ERRORS]:
        names = ", ".join(path.name for path in others[:MAX_NAMES])
        more = ", …" if len(others) > MAX_NAMES else ""
        count = f"{len(others)} more file" + ("s" if len(others) > 1 else "")
        lines.append(errors[first] + (f" (the same in {count}: {names}{more})" if others else ""))
    if len(alike) > MAX_ERRORS:
        lines.append(f"… and {len(alike) - MAX_ERRORS} more")
    return "\n".join(lines)
