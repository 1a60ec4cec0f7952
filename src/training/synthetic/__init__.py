"""Training of neural surrogates; importing the package loads nothing."""

from typing import Any

__all__ = ["SyntheticTrainer"]


def __getattr__(name: str) -> Any:
    if name == "SyntheticTrainer":
        from src.training.synthetic.synthetic_trainer import SyntheticTrainer

        return SyntheticTrainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
