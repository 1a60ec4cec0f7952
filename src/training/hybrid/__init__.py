"""Training in which the two models teach each other."""

from src.exports import on_first_use

_HOMES = {
    "HybridTrainer": "hybrid_trainer",
}
__all__ = sorted(_HOMES)

__getattr__ = on_first_use(__name__, _HOMES)
