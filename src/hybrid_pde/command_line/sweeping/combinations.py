"""Combinations of the values of a sweep."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from hybrid_pde.errors import ConfigError

MAX_EXPERIMENTS = 1000
_OPENING, _CLOSING = "[{(", "]})"


def combinations(assignments: Sequence[str]) -> list[list[str]]:
    """Overrides ``key=value`` of each experiment: all combinations, the last key fastest.

    Args:
        assignments: ``key=v1,v2,…`` each; commas in brackets, braces and quotes separate nothing.

    Raises:
        ConfigError: if one has another form, a key comes twice, or there are too many.
    """
    choices, keys = [], []
    for text in assignments:
        key, equals, values = text.partition("=")
        found = [each.strip() for each in _split(values)]
        if not equals or not key or not all(found):
            raise ConfigError(f"{text!r}: must have the form key.subkey=value,value,…")
        if key in keys:
            raise ConfigError(f"{key}: given twice; list all its values in one place")
        if len({*found}) < len(found):
            raise ConfigError(f"{text!r}: a value comes twice; list each once")
        keys.append(key)
        choices.append([f"{key}={value}" for value in found])
    count = _product(map(len, choices))
    if count > MAX_EXPERIMENTS:
        raise ConfigError(
            f"{count} combinations; at most {MAX_EXPERIMENTS} experiments are written, so sweep "
            "over fewer values"
        )
    return [list(each) for each in itertools.product(*choices)]


def _product(counts: Iterable[int]) -> int:
    total = 1
    for count in counts:
        total *= count
    return total


def _split(text: str) -> Iterator[str]:
    """Parts between commas outside of brackets and quotes."""
    depth, quote, start = 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            depth -= 1
        elif letter == "," and depth == 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]
