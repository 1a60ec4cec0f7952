"""Physical models on PhiFlow and neural surrogates; importing the package loads neither."""

from typing import Any

__all__ = ["ModelRegistry", "load_synthetic_model"]


def __getattr__(name: str) -> Any:
    if name == "ModelRegistry":
        from src.models.registry import ModelRegistry

        return ModelRegistry
    if name == "load_synthetic_model":
        from src.models.saved_model import load_synthetic_model

        return load_synthetic_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
