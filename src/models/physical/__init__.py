"""Differentiable PDE solvers on PhiFlow fields; importing the package loads none of them."""

from typing import Any

__all__ = ["PhysicalModel"]


def __getattr__(name: str) -> Any:
    if name == "PhysicalModel":
        from src.models.physical.physical_model import PhysicalModel

        return PhysicalModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
