from .physical_trainer import PhysicalTrainer as PhysicalTrainer

__all__ = ["PhysicalTrainer"]
