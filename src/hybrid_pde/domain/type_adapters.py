"""Checks of values by their type, each made once: making one takes a millisecond."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter


def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """The check of values of a type, which can be hashed."""
    return _made(kind)


@cache
def _made(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
