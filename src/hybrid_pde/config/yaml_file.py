"""Strict and safe reading of YAML files: no objects, no duplicate keys, bounded size."""

from pathlib import Path
from typing import Any

import yaml

from hybrid_pde.errors import ConfigError

MAX_ENTRIES = 100_000  # per file, aliases expanded: nested aliases can multiply without limit


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that rejects duplicate keys, of which YAML silently keeps the last."""


def _mapping_without_duplicates(loader: _StrictLoader, node: yaml.MappingNode) -> Any:
    seen: set[str] = set()
    for key_node, _ in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.YAMLError(f"line {line}: a key must be text, not a list or mapping")
        if key_node.value in seen:
            raise yaml.YAMLError(f"line {line}: the key {key_node.value!r} is given twice")
        seen.add(str(key_node.value))
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_duplicates
)


def _num_entries(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of entries below a node, with every alias expanded.

    Raises:
        RecursionError: if a node contains itself.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        pairs = isinstance(node, yaml.MappingNode)
        parts = [part for pair in node.value for part in pair] if pairs else node.value
        known[id(node)] = 1 + sum(_num_entries(part, known) for part in parts)
    return known[id(node)]


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the sections of an experiment file.

    Raises:
        ConfigError: if it cannot be read, is not YAML or not a mapping, or has duplicate keys.
    """
    try:
        with path.open(encoding="utf-8") as file:
            loader = _StrictLoader(file)
            node = loader.get_single_node()
            if node is not None and _num_entries(node, {}) > MAX_ENTRIES:
                raise ValueError(f"more than {MAX_ENTRIES} entries with aliases expanded")
            raw = None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: an experiment must be a mapping of sections, not {raw!r:.80}")
    return raw
