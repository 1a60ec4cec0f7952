"""Estimation of a physical model's parameters; importing the package loads no solver."""

from typing import Any

__all__ = ["PhysicalTrainer"]


def __getattr__(name: str) -> Any:
    if name == "PhysicalTrainer":
        from src.training.physical.physical_trainer import PhysicalTrainer

        return PhysicalTrainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
