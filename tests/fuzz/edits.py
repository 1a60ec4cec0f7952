"""Random edits of nested mappings and lists."""

import copy
from typing import Any

Edit = tuple[float, str, Any]  # position in the tree (0 to 1), action, new value


def edited(tree: Any, edits: list[Edit]) -> Any:
    """A copy of a tree of mappings and lists with some entries replaced or removed."""
    root = {"": copy.deepcopy(tree)}
    for place, action, value in edits:
        entries = list(_entries(root))
        owner, key = entries[int(place * (len(entries) - 1))]
        if action == "delete" and owner is not root:
            del owner[key]
        elif action == "rename" and isinstance(owner, dict) and owner is not root:
            owner[str(value)] = owner.pop(key)
        else:
            owner[key] = value
    return root[""]


def _entries(owner: Any) -> Any:
    """Every entry of a tree as its container and key."""
    items = owner.items() if isinstance(owner, dict) else enumerate(owner)
    for key, value in list(items):
        yield owner, key
        if isinstance(value, dict | list):
            yield from _entries(value)
