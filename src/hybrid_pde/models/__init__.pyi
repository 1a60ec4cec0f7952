from .physical.calibrated_model import load_physical_model as load_physical_model
from .registry import ModelRegistry as ModelRegistry
from .surrogate_file import load_synthetic_model as load_synthetic_model

__all__ = ["ModelRegistry", "load_physical_model", "load_synthetic_model"]
