"""Strict and safe reading of YAML: plain values, no duplicate keys, bounded size, no directives.

Experiment files are read here only, by Snakemake, ``run.py`` and the library alike.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import yaml

from hybrid_pde.errors import ConfigError

MAX_ENTRIES = 100_000  # per file, aliases expanded: nested aliases can multiply without limit
MAX_DIGITS = 25  # of an integer; Python converts no more than 4300, and the schema takes 2⁶³
# Hydra composes and calls what these keys name; an experiment has only values
_DIRECTIVE = re.compile(r"hydra([/.@:].*)?|(override +|package +)?hydra/.*|defaults|@package")
_CALL = re.compile(r"_(target|partial|args|recursive|convert)_")
_INTERPOLATION = "${"


class _StrictLoader(yaml.SafeLoader):
    """A safe loader of plain values; duplicate keys, of which YAML keeps the last, are errors."""


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


def parse_yaml(source: str | IO[str]) -> Any:
    """Read one YAML document of plain values: mappings, lists, text, numbers, true, false, null.

    Raises:
        ValueError: if it is not YAML, has duplicate keys, other types, or too many entries.
    """
    try:
        loader = _StrictLoader(source)
        node = loader.get_single_node()
        if node is None:
            return None
        if _num_entries(node, {}) > MAX_ENTRIES:
            raise ValueError(f"more than {MAX_ENTRIES} entries with aliases expanded")
        return loader.construct_document(node)
    except (yaml.YAMLError, RecursionError, ArithmeticError) as error:
        raise ValueError(" ".join(str(error).split())) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the sections of an experiment file.

    Raises:
        ConfigError: if it cannot be read, is not YAML or not a mapping, has duplicate keys, or
            directives of Hydra.
    """
    try:
        with path.open(encoding="utf-8") as file:
            raw = parse_yaml(file)
    except ValueError as error:
        raise ConfigError(f"{path}: not a YAML file: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: an experiment must be a mapping of sections, not {raw!r:.80}")
    found = [*_directives(raw), *_calls(raw, "")]
    if found:
        raise ConfigError("\n".join(f"{path}: {line}" for line in found))
    return raw


def _directives(raw: dict[Any, Any]) -> Iterator[str]:
    """Errors for sections with which Hydra would be configured."""
    for key in map(str, raw):
        if _DIRECTIVE.fullmatch(key):
            yield (
                f"{key:.80}: not a section of an experiment; an experiment file has no directives "
                "of Hydra, remove it (its options belong on the command line of run.py)"
            )


def _calls(value: Any, place: str) -> Iterator[str]:
    """Errors for keys that name a function to be called, and for interpolations, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            inside = f"{place}.{key!s:.80}" if place else f"{key!s:.80}"
            if _CALL.match(str(key)):
                yield f"{inside}: {inner!r:.80}: an experiment file calls nothing; remove it"
            elif _INTERPOLATION in str(key):
                yield f"{inside}: '${{…}}' is not replaced in an experiment; write the key itself"
            yield from _calls(inner, inside)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _calls(inner, f"{place}[{number}]")
    elif isinstance(value, str) and _INTERPOLATION in value:
        yield f"{place}: {value!r:.80}: '${{…}}' is not replaced in an experiment; write the value"
