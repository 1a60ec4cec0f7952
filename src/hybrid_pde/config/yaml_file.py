"""Strict and safe reading of YAML: plain values, no duplicate keys, bounded size.

Experiment files are read here only, by Snakemake, ``run.py`` and the library alike.
"""

from pathlib import Path
from typing import Any

import yaml

from hybrid_pde.config.directives import refuse_directives
from hybrid_pde.domain.small_file import MIB, read_small_text
from hybrid_pde.errors import ConfigError

MAX_ENTRIES = 100_000  # of an experiment, aliases expanded: nested ones can multiply without limit
# of a result: a field parameter has a name and a standard deviation for each learned number
MAX_RESULT_ENTRIES = 1_000_000
_MAX_BYTES = 4 * MIB
_MAX_RESULT_BYTES = 64 * MIB
MAX_DIGITS = 25  # of an integer; Python converts no more than 4300, and the schema takes 2⁶³


class _StrictLoader(yaml.SafeLoader):
    """A safe loader of plain values; duplicate keys, of which YAML keeps the last, are errors.

    Args:
        text: The document.
        max_entries: Largest number of entries; an entry takes about a kilobyte while it is read.
    """

    def __init__(self, text: str, max_entries: int) -> None:
        super().__init__(text)
        self.name = "the file"  # in error messages, whose callers have its name
        self._max_entries = max_entries
        self._num_composed = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._num_composed += 1
        self.check_number(self._num_composed)
        return super().compose_node(parent, index)

    def check_number(self, entries: int) -> None:
        """Reject a document with too many entries."""
        if entries > self._max_entries:
            raise ValueError(f"more than {self._max_entries} entries with aliases expanded")


def _mapping_without_duplicates(loader: _StrictLoader, node: yaml.MappingNode) -> Any:
    seen: set[str] = set()
    for key_node, _ in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.YAMLError(f"line {line}: a key must be text, not a list or mapping")
        if key_node.value in seen:
            raise yaml.YAMLError(f"line {line}: the key {key_node.value!r:.80} is given twice")
        seen.add(str(key_node.value))
    return loader.construct_mapping(node, deep=True)


def _bounded_integer(loader: _StrictLoader, node: yaml.ScalarNode) -> int:
    if len(str(node.value)) > MAX_DIGITS:
        line = node.start_mark.line + 1
        raise yaml.YAMLError(
            f"line {line}: {node.value!r:.30}…: an integer may have at most {MAX_DIGITS} digits"
        )
    return loader.construct_yaml_int(node)


def _text(loader: _StrictLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_PLAIN_TAGS = ("null", "bool", "float", "seq", "str")
_StrictLoader.yaml_constructors = {
    **{
        tag: yaml.SafeLoader.yaml_constructors[tag]
        for tag in (f"tag:yaml.org,2002:{name}" for name in _PLAIN_TAGS)
    },
    "tag:yaml.org,2002:map": _mapping_without_duplicates,
    "tag:yaml.org,2002:int": _bounded_integer,
    "tag:yaml.org,2002:timestamp": _text,  # 2020-01-01 is a name, not a date
    None: yaml.SafeLoader.yaml_constructors[None],
}


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
        ConfigError: if it cannot be read, is not YAML or not a mapping, has duplicate keys, or
            directives of Hydra.
    """
    try:
        raw = parse_yaml(read_small_text(path, _MAX_BYTES))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not a YAML file: {error}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: an experiment must be a mapping of sections, not {raw!r:.80}")
    refuse_directives(raw, str(path))
    return raw


def read_yaml_result(path: Path) -> dict[str, Any]:
    """Read a result of a stage, such as ``parameters.yaml``.

    Raises:
        OSError: if it cannot be read, is no regular file, or is too large.
        ValueError: if it is not YAML, not a mapping, or has too many entries.
    """
    raw = parse_yaml(read_small_text(path, _MAX_RESULT_BYTES), MAX_RESULT_ENTRIES)
    if not isinstance(raw, dict):
        raise ValueError(f"must be a mapping, not {raw!r:.80}")
    return raw


def parse_yaml(text: str, max_entries: int = MAX_ENTRIES) -> Any:
    """The content of a document: mappings, lists, text, numbers, true, false and null.

    Args:
        text: The document.
        max_entries: Largest number of entries, with aliases expanded.

    Raises:
        ValueError: if it is not YAML, has duplicate keys, other types or too many entries, or
            contains itself.
    """
    try:
        loader = _StrictLoader(text, max_entries)
        node = loader.get_single_node()
        if node is None:
            return None
        loader.check_number(_num_entries(node, {}))
        return loader.construct_document(node)
    except (yaml.YAMLError, RecursionError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())) from None
