"""The stage ``augment``: simulations generated with the calibrated physical model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import write_json
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.models.physical.parameters_file import load_parameters, read_parameters
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.result_warnings import recorded_warnings
from hybrid_pde.stages.threads import limit_threads
from hybrid_pde.training.augmentation.augmentation import Augmentation


def augment_shard(
    settings: dict[str, Any],
    shard: Sequence[int],
    cache: Sequence[Path],
    parameters: Path,
    manifest: Path,
    *,
    code: str = "",
    threads: int = 1,
    compile: str = "auto",
) -> None:
    """Generate some simulations and write their manifest.

    Args:
        settings: The experiment's settings that generated simulations depend on.
        shard: Indices of the simulations.
        cache: Manifests of the cached simulations.
        parameters: The calibrated ``parameters.yaml``.
        manifest: JSON file to write, beside the generated simulations.
        code: Digest of the code; simulations of other code are generated again.
        threads: Threads that the rule was given.
        compile: Whether time steps are compiled: ``auto``, ``always`` or ``never``.
    """
    limit_threads(threads)
    experiment = parse_experiment({**settings, "workflow": {"compile": compile}})
    store = CacheManager(manifest.parent)
    real = SimulationStore(cache[0].parent)
    with recorded_warnings() as found:
        made = generate_simulations(experiment, real, parameters, store, shard, code)
    content = {**store.manifest(made), "bytes": store.disk_usage(made), "warnings": found}
    write_json(manifest, content)


def generate_simulations(
    experiment: Experiment,
    real: SimulationStore,
    parameters: Path,
    generated: CacheManager,
    indices: Sequence[int],
    code: str = "",
) -> list[int]:
    """Generate simulations with calibrated parameters from a file.

    Args:
        experiment: Sections ``augmentation``, ``run_params``, ``trainer_params`` and ``model``.
        real: The training simulations.
        parameters: The calibrated ``parameters.yaml``.
        generated: Where the generated simulations go; up-to-date ones in it are kept.
        indices: Indices of the simulations.
        code: Digest of the code, if it is known.

    Returns:
        The simulations that are there; those that diverged are left out.

    Raises:
        DivergenceError: if none of the simulations stayed finite.
    """
    model = ModelRegistry(experiment).get_physical_model()
    load_parameters(parameters, model)
    calibrated = read_parameters(parameters)["parameters"]
    return Augmentation(experiment, model, real, generated, code, calibrated).make(indices)
