"""Checks of values by their type, each made once: making one takes a millisecond."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter


@cache
def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """The check of values of a type, which can be hashed."""
    return TypeAdapter(kind)
