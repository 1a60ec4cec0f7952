"""What the synthetic model teaches the physical one."""

from pathlib import Path

from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.surrogate_file import load_synthetic_model
from hybrid_pde.training.hybrid.guidance import GuidanceMaker


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
