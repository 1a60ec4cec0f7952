"""Estimation of a physical model's parameters."""

from src.exports import on_first_use

_HOMES = {
    "PhysicalTrainer": "physical_trainer",
}
__all__ = sorted(_HOMES)

__getattr__ = on_first_use(__name__, _HOMES)
