"""Layers of the library: imports point one way, without cycles."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCE = ROOT / "src"
# a layer may import the layers before it; packages of one layer do not import one another
LAYERS = (
    {"progress", "interruption", "result_warnings"},
    {"domain"},
    {"config"},
    {"numerics", "data"},
    {"models"},
    {"evaluation"},
    {"training"},
    {"stages"},
    {"factories", "workflow"},
    {"command_line"},
    {"__main__"},
)
RANK = {"printable": -2, "errors": -1} | {
    name: rank for rank, names in enumerate(LAYERS) for name in names
}


def library_modules(source: Path) -> dict[str, Path]:
    """Files of the library by dotted name."""
    return {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((source / "hybrid_pde").rglob("*.py"))
    }


def imports(path: Path, modules: dict[str, Path]) -> Iterator[str]:
    """Modules of the library that a file imports anywhere, including for type checking."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in modules else str(node.module)


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """The imports of each module."""
    modules = library_modules(SOURCE)
    assert len(modules) > 100
    return {name: {*imports(path, modules)} - {name} for name, path in modules.items()}


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def upward(graph: dict[str, set[str]]) -> list[str]:
    """Imports of a layer above, or of a neighbour in the same layer."""
    return [
        f"{module} imports {other}"
        for module, others in sorted(graph.items())
        for other in sorted(others)
        if part(module) != part(other)
        and part(other)
        and part(module)
        and RANK[part(other)] >= RANK[part(module)]
    ]


def rings(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import one another, directly or through others."""
    reached = {module: reachable(graph, module) for module in graph}
    groups = {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in graph
        if module in reached[module]
    }
    return sorted(sorted(group) for group in groups)


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    pending = [*graph[start]]
    while pending:
        module = pending.pop()
        if module not in found:
            found.add(module)
            pending.extend(graph[module])
    return found


def test_every_part_has_a_layer(graph: dict[str, set[str]]) -> None:
    assert {part(module) for module in graph} - {""} <= set(RANK)


def test_no_import_points_upwards(graph: dict[str, set[str]]) -> None:
    assert upward(graph) == []


def test_no_modules_import_one_another(graph: dict[str, set[str]]) -> None:
    assert rings(graph) == []


def test_a_ring_and_an_import_upwards_would_be_found() -> None:
    wrong = defaultdict(set)
    wrong |= {"hybrid_pde.data.a": {"hybrid_pde.data.b"}, "hybrid_pde.data.b": {"hybrid_pde.c"}}
    wrong |= {"hybrid_pde.c": {"hybrid_pde.data.a"}, "hybrid_pde.config.d": {"hybrid_pde.data.a"}}
    assert rings(wrong) == [["hybrid_pde.c", "hybrid_pde.data.a", "hybrid_pde.data.b"]]
    del wrong["hybrid_pde.c"], wrong["hybrid_pde.data.b"]
    assert upward(wrong) == ["hybrid_pde.config.d imports hybrid_pde.data.a"]
