from .registry import ModelRegistry as ModelRegistry
from .surrogate_file import load_synthetic_model as load_synthetic_model

__all__ = ["ModelRegistry", "load_synthetic_model"]
