"""Physical models on PhiFlow and neural surrogates."""

from src.exports import on_first_use

_HOMES = {
    "ModelRegistry": "registry",
    "load_synthetic_model": "saved_model",
}
__all__ = sorted(_HOMES)

__getattr__ = on_first_use(__name__, _HOMES)
