"""Differentiable PDE solvers on PhiFlow fields.

The model of each built-in equation has the equation's name, e.g. ``BurgersPDE``. Names are imported
when they are used: PyTorch takes a second.
"""

import importlib
from typing import Any

_MODULES = {"Equation": "equation", "PhysicalModel": "physical_model"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    if name in (found := _equations()):
        model = importlib.import_module(f"{__name__}.physical_model")
        return model.physical_model_class(found[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*_MODULES, *_equations()})


def _equations() -> dict[str, Any]:
    discovery = importlib.import_module("hybrid_pde.config.discovery")
    found: dict[str, Any] = discovery.equation_classes()
    return found
