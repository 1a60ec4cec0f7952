"""Makes models, data sets and trainers from an experiment."""

from src.exports import on_first_use

_HOMES = {
    "ModelFactory": "model_factory",
    "TrainerFactory": "trainer_factory",
}
__all__ = sorted(_HOMES)

__getattr__ = on_first_use(__name__, _HOMES)
