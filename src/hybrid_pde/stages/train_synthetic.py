"""The stage ``train_synthetic``: training of the surrogate."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_pde.config.derived import num_cycles
from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.manifests import digests_of, simulations_of, warnings_of
from hybrid_pde.data.cache.scratch_copies import on_scratch
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.models.physical.simulation_values import with_values
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.result_warnings import recorded_warnings
from hybrid_pde.stages.kept_results import FOLDER, KeptResults
from hybrid_pde.stages.surrogate_training import SurrogateFiles, SurrogateTraining
from hybrid_pde.stages.threads import limit_threads
from hybrid_pde.training.subnormals import without_subnormals
from hybrid_pde.training.synthetic.training_windows import check_left_out

if TYPE_CHECKING:
    from hybrid_pde.models.physical.physical_model import PhysicalModel

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SurrogateInputs:
    """Files that a training of the surrogate reads.

    Attributes:
        cache: Manifests of the cached simulations.
        augmented: Manifests of the generated simulations, if there are any.
        parameters: The calibrated ``parameters.yaml``, where the training needs the equation.
        warm_start: ``synthetic_model.pt`` of the cycle before, from the second cycle on.
    """

    cache: Sequence[Path]
    augmented: Sequence[Path] = ()
    parameters: Sequence[Path] = ()
    warm_start: Sequence[Path] = ()


@without_subnormals()
def train_synthetic(
    settings: dict[str, Any],
    inputs: SurrogateInputs,
    files: SurrogateFiles,
    *,
    code: str,
    cycle: int = 1,
    threads: int = 1,
    scratch: Path | None = None,
) -> None:
    """Train, from the last checkpoint if there is one.

    Results of the same data, settings and code are taken as they are.

    Args:
        settings: The experiment's settings that the training depends on.
        inputs: Files to read.
        files: Files to write.
        code: Digest of the code; checkpoints of other code are not used.
        cycle: Number of the hybrid cycle, from 1.
        threads: Threads that the rule was given.
        scratch: Folder on the node's own disk that simulations are copied to.

    Raises:
        DivergenceError: if too many generated simulations are missing.
    """
    used_threads = limit_threads(threads)
    experiment = parse_experiment(settings)
    made = simulations_of(inputs.augmented)
    earlier = warnings_of([*inputs.cache, *inputs.augmented])
    if inputs.augmented:
        check_left_out(experiment, made)
    training = experiment.trainer_params.synthetic
    used = {*training.train_sim, *training.val_sim}
    identity = {
        "settings": settings,
        "code": code,
        "threads": used_threads,
        "parameters": [sha256_of(path) for path in inputs.parameters],
        "cache": digests_of(inputs.cache, used),
        "augmented": digests_of(inputs.augmented, made),
    }
    start = [sha256_of(path) for path in inputs.warm_start]
    whole = {**identity, "warm_start": start, "cycle": cycle, "warnings": earlier}
    files = replace(files, kept=KeptResults(files.history.parent / FOLDER, whole))
    if files.kept is not None and files.kept.restore([files.model, files.history]):
        return
    with (
        on_scratch(SimulationStore(inputs.cache[0].parent), used, scratch) as real,
        _generated(inputs.augmented, made, scratch) as generated,
    ):
        parameters = inputs.parameters[0] if inputs.parameters else None
        with recorded_warnings() as found:
            experiment, seen = with_values(experiment, real, parameters)
        SurrogateTraining(
            experiment,
            seen,
            generated,
            made,
            physical=calibrated_model(experiment, inputs.parameters),
            warm_start=inputs.warm_start[0] if inputs.warm_start else None,
            cycle=(cycle, num_cycles(experiment)),
            earlier=[*earlier, *found],
        ).run(files, identity)


def calibrated_model(experiment: Experiment, parameters: Sequence[Path]) -> "PhysicalModel | None":
    """The physical model with the parameters of a file; ``None`` if there is no file.

    Raises:
        CalibrationError: if a parameter is not determined by the data.
    """
    if not parameters:
        return None
    # loads PhiFlow, which a surrogate without an equation does not need
    from hybrid_pde.models.physical.parameters_file import load_parameters

    physical = ModelRegistry(experiment).get_physical_model()
    load_parameters(parameters[0], physical)
    return physical


def _generated(
    manifests: Sequence[Path], made: list[int], scratch: Path | None
) -> AbstractContextManager[CacheManager | None]:
    """Store of the generated simulations, if there are any."""
    if not manifests:
        return nullcontext()
    return on_scratch(CacheManager(manifests[0].parent), made, scratch)
