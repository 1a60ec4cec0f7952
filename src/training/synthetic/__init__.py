"""Training of surrogates."""

from src.exports import on_first_use

_HOMES = {
    "SyntheticTrainer": "synthetic_trainer",
}
__all__ = sorted(_HOMES)

__getattr__ = on_first_use(__name__, _HOMES)
