"""Alias of the library for programs that import ``src``: ``src.x`` is ``hybrid_pde.x`` itself.

New code imports ``hybrid_pde``.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_LIBRARY = "hybrid_pde"

if importlib.util.find_spec(_LIBRARY) is None:  # the repository is used without being installed
    sys.path.insert(0, str(Path(__file__).resolve().parent))


class _AliasLoader(Loader):
    """Returns the library's module; entries in ``sys.modules`` alone load submodules twice."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        self._spec = module.__spec__  # the import system is about to replace it
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _AliasFinder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, rest = name.partition(".")
        if package != __name__ or not rest:
            return None
        library_name = rest if rest.split(".")[0] == _LIBRARY else f"{_LIBRARY}.{rest}"
        if importlib.util.find_spec(library_name) is None:
            return None
        return ModuleSpec(name, _AliasLoader(library_name))


sys.meta_path.insert(0, _AliasFinder())


def __getattr__(name: str) -> Any:
    """The library's own public names."""
    return getattr(importlib.import_module(_LIBRARY), name)


def __dir__() -> list[str]:
    return dir(importlib.import_module(_LIBRARY))
