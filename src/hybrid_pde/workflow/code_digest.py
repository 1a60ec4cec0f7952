"""Digest of the code that a stage runs, so that an edit re-runs the stages it affects.

It covers the stage's program and all modules of the library that the program imports, directly or
through others. Docstrings, comments, layout and imports for type checkers do not count.
"""

import ast
import gc
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import ConfigError

PACKAGE = Path(__file__).resolve().parents[1]
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


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
    digests = {}
    for number, path in enumerate(files):
        name = f"{number} {path.name}"  # files of different folders may have the same name
        if path.suffix == ".py":
            source = _source(path)
            digests[name] = source.digest
            pending.extend(source.imported)
        else:
            digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    seen: set[str] = set()
    while pending:
        module = pending.pop()
        found = None if module in seen else _module_path(module)
        if found is None:
            continue
        seen.add(module)
        source = _source(found)
        digests[module] = source.digest
        pending.extend(source.imported)
    text = "\n".join(f"{name}:{digest}" for name, digest in sorted(digests.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Source(NamedTuple):
    digest: str  # of the syntax tree
    imported: tuple[str, ...]  # modules of the library


@cache
def _source(path: Path) -> _Source:
    tree = _parsed(path)
    words: list[str] = []
    names: list[str] = []
    _describe(tree, words, names)
    library = (_library_name(name) for name in names)
    digest = hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()
    return _Source(digest, tuple(name for name in library if name is not None))


def _describe(node: ast.AST, words: list[str], names: list[str] | None) -> None:
    """Append a node to ``words``, without docstrings, and what it imports to ``names``.

    Args:
        node: The node.
        words: Type and fields of each node, with the length of each list.
        names: Dotted names; ``None`` for nodes that never run.
    """
    kind = node.__class__
    words.append(kind.__name__)
    if names is not None and isinstance(node, ast.Import):
        names += [alias.name for alias in node.names]
    elif names is not None and isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names.append(node.module)
        names += [f"{node.module}.{alias.name}" for alias in node.names]
    is_for_types = kind is ast.If and _is_type_checking(node.test)  # type: ignore[attr-defined]
    for field in kind._fields:
        value = getattr(node, field, None)
        executed = None if is_for_types and field == "body" else names
        if isinstance(value, list):
            if field == "body" and kind in _DOCUMENTED:
                value = [each for each in value if not _is_text(each)]
            words.append(str(len(value)))
            for each in value:
                if isinstance(each, ast.AST):
                    _describe(each, words, executed)
                else:
                    words.append(repr(each))
        elif isinstance(value, ast.AST):
            _describe(value, words, executed)
        else:
            words.append(repr(value))


def _is_text(node: ast.stmt) -> bool:
    """True for a docstring, of a module, class, function or attribute."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _library_name(name: str) -> str | None:
    """``hybrid_pde.x`` for itself and its alias ``src.x``; ``None`` for other packages."""
    parts = name.split(".")
    if parts[0] == "src":
        parts = parts[1:] if parts[1:2] == [PACKAGE.name] else [PACKAGE.name, *parts[1:]]
    return ".".join(parts) if parts[0] == PACKAGE.name else None


def _is_type_checking(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", None), getattr(test, "attr", None))


def _parsed(path: Path) -> ast.Module:
    is_collecting = gc.isenabled()
    gc.disable()  # trees have no cycles, and looking for some takes longer than parsing
    try:
        return ast.parse(read_small_text(path))
    except FileNotFoundError:
        raise
    except (SyntaxError, ValueError, OSError) as error:
        raise ConfigError(f"{path}: not a Python file: {error}") from None
    finally:
        if is_collecting:
            gc.enable()


def _module_path(module: str) -> Path | None:
    stem = PACKAGE.parent.joinpath(*module.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None
