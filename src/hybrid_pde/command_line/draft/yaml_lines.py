"""Values as lines of YAML."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

WIDTH = 96


def list_lines(key: str, values: list[int]) -> Iterator[str]:
    """A list of numbers, on several lines if it is long."""
    text = yaml.safe_dump(values, default_flow_style=True, width=WIDTH - 6).rstrip()
    first, *others = text.split("\n")
    yield f"  {key}: {first}"
    yield from (f"    {each}" for each in others)


def entry(depth: int, key: str, value: Any) -> str:
    """A key with its value, at a depth of sections."""
    return f"{'  ' * depth}{key}: {flow(value)}"


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, float):
        text = f"{value!r}"
        return text if "." in text or "e" not in text else text.replace("e", ".0e", 1)
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000).split("\n")[0]
    # within braces or brackets, more characters need quotes
    return json.dumps(value) if isinstance(value, str) and set(text) & set("[]{},") else text
