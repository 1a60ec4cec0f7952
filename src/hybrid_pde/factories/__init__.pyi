from .model_factory import ModelFactory as ModelFactory
from .trainer_factory import TrainerFactory as TrainerFactory

__all__ = ["ModelFactory", "TrainerFactory"]
