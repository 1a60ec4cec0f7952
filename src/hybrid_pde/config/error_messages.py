"""Formatting of configuration errors: location, value, what is allowed."""

import difflib
from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hybrid_pde.errors import ConfigError


def suggest(value: str, allowed: Iterable[str]) -> str:
    """``'x' is unknown; did you mean 'y'? Allowed: …``."""
    names = [str(name) for name in allowed]
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"{value!r} is unknown{hint} Allowed: {', '.join(names) or 'none'}"


def suggest_model(section: str, name: str, allowed: Iterable[str]) -> str:
    """Like :func:`suggest`, for a model that may be one of the user's own.

    Args:
        section: Section of the model, e.g. ``model.physical``.
        name: Its name.
        allowed: Names of the built-in ones.
    """
    return (
        f"{suggest(name, allowed)}; for one of your own also give {section}.module, the path of "
        "its Python file"
    )


def raise_errors(source: str, lines: Iterable[str]) -> None:
    """Raise one error that lists all lines, each once; do nothing if there are none.

    Args:
        source: File that the settings come from.
        lines: Error messages, each beginning with its key.

    Raises:
        ConfigError: if there is any line.
    """
    found = dict.fromkeys(f"{source}: {line}" for line in lines)
    if found:
        raise ConfigError("\n".join(found))


def format_validation_error(
    error: ValidationError, source: str, keys_of: dict[str, list[str]]
) -> str:
    """Format a validation error as lines ``file: key: value: what is allowed``.

    Args:
        error: The validation error of the schema.
        source: File that the values come from.
        keys_of: Allowed keys of each section, by dotted path (``""`` is the top level).
    """
    by_key: dict[str, str] = {}
    for details in error.errors():
        path = [str(part) for part in details["loc"] if not _is_union_member(part)]
        key, section = _locate(path, keys_of)
        by_key.setdefault(key, _format_line(key, section, details, keys_of))
    return "\n".join(f"{source}: {line}" for line in by_key.values())


def _is_union_member(part: int | str) -> bool:
    """True if a part of a location only names one type of a union, e.g. ``list[float]``."""
    return isinstance(part, str) and ("[" in part or part in {"float", "int", "str"})


def _locate(path: list[str], keys_of: dict[str, list[str]]) -> tuple[str, str]:
    """The key as written in the file, and its section.

    A section with several types has an entry for each, e.g. ``….parametrization.gaussians``; the
    type is not a key in the file.
    """
    shown, section, inside = "", "", ""
    for part in path:
        inside = f"{section}.{part}".lstrip(".")
        is_kind = part not in keys_of.get(section, []) and inside in keys_of
        if part.isdigit():
            shown += f"[{part}]"
        elif not is_kind:
            shown = f"{shown}.{part}".lstrip(".")
        if inside in keys_of:
            section = inside
    return shown, section.rpartition(".")[0] if inside == section else section


def _format_line(
    dotted: str, section: str, details: ErrorDetails, keys_of: dict[str, list[str]]
) -> str:
    kind, last = details["type"], dotted.rpartition(".")[2]
    if kind == "extra_forbidden":
        return f"{dotted}: the key {suggest(last, keys_of.get(section, []))}"
    if kind == "missing":
        return f"{dotted}: missing; it has no default"
    if kind == "union_tag_not_found":
        within = f"{section}.{last}".lstrip(".")
        kinds = [path.rpartition(".")[2] for path in keys_of if path.rpartition(".")[0] == within]
        return f"{dotted}.type: missing; allowed: {', '.join(kinds)}"
    text = details["msg"].removeprefix("Value error, ")
    return f"{dotted}: {details['input']!r:.200}: {text[0].lower()}{text[1:]}"
