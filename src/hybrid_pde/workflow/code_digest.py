"""Digest of the code that a stage runs, so that an edit re-runs the stages it affects.

It covers the stage's program and all modules of the library that the program imports, directly or
through others. Docstrings, comments, layout and imports for type checkers do not count.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import ConfigError

PACKAGE = Path(__file__).resolve().parents[1]


def code_digest(modules: Iterable[str], files: Iterable[Path] = ()) -> str:
    """Digest of modules and files, and of all library modules that they import.

    Args:
        modules: Dotted names, e.g. ``hybrid_pde.models.physical.equations.burgers``.
        files: Files outside the library and files that are no modules: the stage's program, a
            user's model, a template.

    Raises:
        ConfigError: if a ``.py`` file is not valid Python.
    """
    return _digest(tuple(modules), tuple(files))


@cache
def _digest(modules: tuple[str, ...], files: tuple[Path, ...]) -> str:
    """The digest; computed once for all jobs of a stage."""
    pending = list(modules)
    trees = {}
    for number, path in enumerate(files):
        name = f"{number} {path.name}"  # files of different folders may have the same name
        if path.suffix == ".py":
            trees[name] = _stripped(path)
            pending.extend(_imported(path))
        else:
            trees[name] = path.read_text(encoding="utf-8")
    seen: set[str] = set()
    while pending:
        module = pending.pop()
        source = _module_path(module)
        if source is None or module in seen:
            continue
        seen.add(module)
        trees[module] = _stripped(source)
        pending.extend(_imported(source))
    text = "\n".join(f"{name}:{tree}" for name, tree in sorted(trees.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _imported(path: Path) -> tuple[str, ...]:
    names: list[str] = []
    for node in _executed_nodes(_parsed(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    library = (_library_name(name) for name in names)
    return tuple(name for name in library if name is not None)


def _library_name(name: str) -> str | None:
    """``hybrid_pde.x`` for itself and its alias ``src.x``; ``None`` for other packages."""
    parts = name.split(".")
    if parts[0] == "src":
        parts = parts[1:] if parts[1:2] == [PACKAGE.name] else [PACKAGE.name, *parts[1:]]
    return ".".join(parts) if parts[0] == PACKAGE.name else None


def _executed_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes except those in ``if TYPE_CHECKING`` blocks, which never run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            yield from (each for part in node.orelse for each in [part, *_executed_nodes(part)])
            continue
        yield node
        yield from _executed_nodes(node)


def _is_type_checking(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", None), getattr(test, "attr", None))


@cache
def _stripped(path: Path) -> str:
    """The syntax tree as text, without docstrings, also of attributes, comments and layout."""
    tree = _parsed(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [each for each in node.body if not _is_text(each)]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(read_small_text(path))
    except FileNotFoundError:
        raise
    except (SyntaxError, ValueError, OSError) as error:
        raise ConfigError(f"{path}: not a Python file: {error}") from None


def _module_path(module: str) -> Path | None:
    stem = PACKAGE.parent.joinpath(*module.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None
