"""Discovery of equations, architectures and readers by the folder they are in; no PyTorch.

A file in the folder of the equations, or a folder beside the architectures, is all that a new one
needs: its name comes from the class in it.
"""

import importlib
import pkgutil
from typing import Any

from hybrid_pde.config.equations import EquationSpec

EQUATIONS_PACKAGE = "hybrid_pde.models.physical.equations"
ARCHITECTURES_PACKAGE = "hybrid_pde.models.synthetic.architectures"


def modules_in(package: str) -> list[str]:
    """Dotted names of the modules in a package's folders, without those that begin with ``_``.

    Args:
        package: Dotted name of the package. A folder that is appended to its ``__path__`` is
            searched, too.
    """
    folders = importlib.import_module(package).__path__
    found = (info.name for info in pkgutil.iter_modules(folders))
    return [f"{package}.{name}" for name in sorted(found) if not name.startswith("_")]


def equation_classes() -> dict[str, type[Any]]:
    """Class of each built-in equation by ``model.physical.name``.

    An equation is a class with an :class:`EquationSpec` of its own, ``spec``.
    """
    found: dict[str, type[Any]] = {}
    for module in modules_in(EQUATIONS_PACKAGE):
        for each in classes_in(module):
            if isinstance(spec := vars(each).get("spec"), EquationSpec):
                assert spec.name not in found, f"{spec.name}: in {module} and in another file"
                found[spec.name] = each
    return found


def built_in_equations() -> dict[str, EquationSpec]:
    """Specification of each built-in equation by ``model.physical.name``."""
    return {name: each.spec for name, each in equation_classes().items()}


def equation_module(name: str) -> str:
    """Dotted name of the module of a built-in equation."""
    return equation_classes()[name].__module__


def architecture_options() -> dict[str, type[Any]]:
    """Class of the options of each built-in architecture by ``model.synthetic.name``.

    Options are a class with ``name`` in the module ``options`` of the architecture's folder. The
    class in its module ``network`` names them as its ``options_class``.
    """
    found: dict[str, type[Any]] = {}
    for folder in modules_in(ARCHITECTURES_PACKAGE):
        for each in classes_in(f"{folder}.options"):
            if isinstance(name := vars(each).get("name"), str):
                assert name not in found, f"{name}: in {folder} and in another folder"
                found[name] = each
    return found


def architecture_module(name: str) -> str:
    """Dotted name of the module with the network of a built-in architecture."""
    folder = architecture_options()[name].__module__.rpartition(".")[0]
    return f"{folder}.network"


def classes_in(module: str) -> list[type[Any]]:
    """The classes that a module defines, without those that it imports."""
    values = vars(importlib.import_module(module)).values()
    return [each for each in values if isinstance(each, type) and each.__module__ == module]
