"""Makes models, data sets and trainers from an experiment; importing the package loads none."""

from typing import Any

__all__ = ["ModelFactory", "TrainerFactory"]


def __getattr__(name: str) -> Any:
    if name == "ModelFactory":
        from src.factories.model_factory import ModelFactory

        return ModelFactory
    if name == "TrainerFactory":
        from src.factories.trainer_factory import TrainerFactory

        return TrainerFactory
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
