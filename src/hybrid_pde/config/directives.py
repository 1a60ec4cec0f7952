"""Directives that an experiment file may not have: an experiment is values, and calls nothing.

Hydra composes what ``defaults`` names, configures itself by ``hydra``, and calls what ``_target_``
names. No reader of experiment files follows them; a file that has them is rejected, not ignored.
"""

import re
from collections.abc import Iterator
from typing import Any

from hybrid_pde.config.error_messages import raise_errors

_SECTION = re.compile(r"hydra([/.@:].*)?|(override|package) .*|defaults|@.*")
_CALL = re.compile(r"_(target|partial|args|recursive|convert)_")
_INTERPOLATION = "${"


def refuse_directives(raw: dict[Any, Any], source: str) -> None:
    """Reject sections of Hydra, keys that name a function, and interpolations.

    Args:
        raw: The content of the file.
        source: The file, for the message.

    Raises:
        ConfigError: with a line for each.
    """
    raise_errors(source, [*_sections(raw), *_inside(raw, "")])


def _sections(raw: dict[Any, Any]) -> Iterator[str]:
    for key in map(str, raw):
        if _SECTION.fullmatch(key):
            yield (
                f"{key:.80}: no section of an experiment; remove it (options of Hydra belong on "
                "the command line of run.py)"
            )


def _inside(value: Any, place: str) -> Iterator[str]:
    """Errors at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            inside = f"{place}.{key!s:.80}".lstrip(".")
            if _CALL.match(str(key)):
                yield f"{inside}: {inner!r:.80}: an experiment file calls nothing; remove it"
            elif _INTERPOLATION in str(key):
                yield f"{inside}: '${{…}}' is not replaced in an experiment; write the key itself"
            yield from _inside(inner, inside)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _inside(inner, f"{place}[{number}]")
    elif isinstance(value, str) and _INTERPOLATION in value:
        yield f"{place}: {value!r:.80}: '${{…}}' is not replaced in an experiment; write the value"
