"""Trainers: a model is handed to them, data to their ``train``."""

from src.exports import on_first_use

_HOMES = {
    "AbstractTrainer": "abstract_trainer",
    "FieldTrainer": "field_trainer",
    "TensorTrainer": "tensor_trainer",
}
__all__ = sorted(_HOMES)

__getattr__ = on_first_use(__name__, _HOMES)
