"""What the synthetic model teaches the physical one."""

from pathlib import Path

from src.config.schema import Experiment
from src.data.cache_manager import CacheManager
from src.data.simulation_store import SimulationStore
from src.models.registry import ModelRegistry
from src.models.saved_model import load_synthetic_model
from src.training.hybrid.guidance import GuidanceMaker


def predict_guidance(
    experiment: Experiment, real: SimulationStore, model: Path, store: CacheManager
) -> list[int]:
    """Predict what the training simulations hide, or beside them where they hide nothing.

    Args:
        experiment: Sections ``data.observations``, ``trainer_params.physical``, ``model`` and
            ``run_params``.
        real: The training simulations.
        model: ``synthetic_model.pt`` of the cycle before.
        store: Where the predictions go; what is there is replaced.

    Returns:
        The simulations in the store, see :class:`GuidanceMaker`.

    Raises:
        ExchangeError: if there is no prediction.
    """
    if experiment.model.synthetic is not None:
        ModelRegistry(experiment).synthetic_class()  # registers a user's own, see its module
    return GuidanceMaker(experiment, real, load_synthetic_model(model), store).make()
