from .config.loading import load_experiment as load_experiment
from .data.inspection.description import inspect as inspect
from .models.physical.calibrated_model import load_physical_model as load_physical_model
from .models.surrogate_file import load_synthetic_model as load_synthetic_model

__version__: str
__all__ = ["inspect", "load_experiment", "load_physical_model", "load_synthetic_model"]
