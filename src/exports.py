"""Packages whose public names are loaded on first use.

A stage that needs neither PyTorch nor PhiFlow must not pay for importing them, which takes seconds.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def on_first_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The module-level ``__getattr__`` of a package (PEP 562).

    Args:
        package: The package's ``__name__``.
        homes: For each public name the module of the package that defines it.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return load
