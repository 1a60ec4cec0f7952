"""The stage ``guide``: the surrogate's predictions of values that a calibration cannot observe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import write_json
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.surrogate_file import load_synthetic_model
from hybrid_pde.result_warnings import recorded_warnings
from hybrid_pde.stages.threads import limit_threads
from hybrid_pde.training.hybrid.guidance import GuidanceMaker


def write_guidance(
    settings: dict[str, Any],
    cache: Sequence[Path],
    model: Path,
    manifest: Path,
    *,
    threads: int = 1,
) -> None:
    """Predict, and write the manifest of the predictions.

    Args:
        settings: The experiment's settings that the predictions depend on.
        cache: Manifests of the cached simulations.
        model: ``synthetic_model.pt`` of the cycle before.
        manifest: JSON file to write, beside the predictions.
        threads: Threads that the rule was given.
    """
    limit_threads(threads)
    experiment = parse_experiment(settings)
    store = CacheManager(manifest.parent)
    with recorded_warnings() as found:
        made = predict_guidance(experiment, SimulationStore(cache[0].parent), model, store)
    write_json(manifest, {**store.manifest(made), "warnings": found})


def predict_guidance(
    experiment: Experiment, real: SimulationStore, model: Path, store: CacheManager
) -> list[int]:
    """Predict hidden values of the training simulations, or new simulations if none are hidden.

    Args:
        experiment: Sections ``data.observations``, ``trainer_params.physical``, ``model`` and
            ``run_params``.
        real: The training simulations.
        model: ``synthetic_model.pt`` of the cycle before.
        store: Where the predictions go; earlier ones in it are replaced.

    Returns:
        The simulations in the store, see :class:`GuidanceMaker`.

    Raises:
        ExchangeError: if there is no prediction.
    """
    if experiment.model.synthetic is not None:
        ModelRegistry(experiment).synthetic_class()  # imports a user's module
    return GuidanceMaker(experiment, real, load_synthetic_model(model), store).make()
