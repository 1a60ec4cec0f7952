from .synthetic_trainer import SyntheticTrainer as SyntheticTrainer

__all__ = ["SyntheticTrainer"]
