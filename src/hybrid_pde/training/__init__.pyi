from .abstract_trainer import AbstractTrainer as AbstractTrainer
from .physical.field_trainer import FieldTrainer as FieldTrainer
from .synthetic.tensor_trainer import TensorTrainer as TensorTrainer

__all__ = ["AbstractTrainer", "FieldTrainer", "TensorTrainer"]
