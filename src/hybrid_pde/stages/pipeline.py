"""All stages of an experiment in one process, as ``run.py`` runs them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.config.checks.symmetries import box_of
from hybrid_pde.config.complete_file import FILE
from hybrid_pde.config.derived import (
    calibrated_simulations,
    held_out_simulations,
    is_calibrated_by_simulation,
    needs_equation,
    num_cycles,
    replicate_of,
    shared_parameters,
    stages_trained,
)
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.cache.raw_index import RawIndex
from hybrid_pde.data.plan_checks import check_data, planned_grid
from hybrid_pde.data.raw_claim import claim_raw_folder
from hybrid_pde.domain.run_folders import ESTIMATES, cycle_folder, replicate_folder
from hybrid_pde.errors import ConfigError
from hybrid_pde.evaluation.report.end_summary import REPORT, summary_of_folder
from hybrid_pde.evaluation.report.html_report import report_of_folder
from hybrid_pde.models.physical.simulation_values import with_values
from hybrid_pde.models.user_models import check_own_models
from hybrid_pde.numerics.workload import compilation
from hybrid_pde.result_warnings import inherited, recorded_warnings
from hybrid_pde.stages.augment import generate_simulations
from hybrid_pde.stages.cache import warn_of_assumptions
from hybrid_pde.stages.calibrate import SimulationEstimates
from hybrid_pde.stages.evaluate import evaluate_models
from hybrid_pde.stages.guide import predict_guidance
from hybrid_pde.stages.hybrid import collect_cycles
from hybrid_pde.stages.report import write_experiment_file
from hybrid_pde.stages.simulate import RawSimulations
from hybrid_pde.stages.surrogate_training import SurrogateFiles, SurrogateTraining
from hybrid_pde.stages.train_physical import (
    CalibrationFiles,
    GuidanceFiles,
    calibrate,
    calibrate_simulations,
)
from hybrid_pde.stages.train_synthetic import calibrated_model
from hybrid_pde.training.finished_checkpoints import remove_finished_checkpoints
from hybrid_pde.training.hybrid.cycles import run_cycles
from hybrid_pde.training.physical.plan_checks import check_field_guesses
from hybrid_pde.training.synthetic.training_windows import check_left_out

PACKAGE = Path(__file__).resolve().parents[1]
PARAMETERS = Path("physical") / "parameters.yaml"
MODEL = "synthetic_model.pt"
logger = logging.getLogger(__name__)


def run_experiment(experiment: Experiment, results: Path, source: str) -> Path:
    """Train and evaluate the models of the experiment's model type.

    Args:
        experiment: The experiment.
        results: Folder of all results.
        source: The experiment's file, for messages.

    Returns:
        The experiment's folder.

    Raises:
        ConfigError: if the experiment shares the results of another one.
    """
    if experiment.reuse is not None:
        raise ConfigError(
            f"{source}: reuse: {experiment.reuse}: only Snakemake takes over the results of "
            f"another experiment; call `snakemake --cores 2 --config experiment={source}`, or "
            "repeat its stages here with reuse=null"
        )
    folder = results / experiment.name
    check_own_models(experiment, source)
    store, found = _prepare_data(experiment, source)
    stages = _StagesOnFiles(experiment, store, folder, found)
    run_cycles(experiment, stages)
    if num_cycles(experiment) > 1:
        collect_cycles([stages.folder(k + 1) for k in range(num_cycles(experiment))], folder)
    trained = stages_trained(experiment)
    models = [folder / MODEL]
    for replicate in range(1, experiment.trainer_params.synthetic.replicates):
        if "synthetic" in trained:
            stages.train_synthetic(replicate=replicate)
            models.append(replicate_folder(folder, replicate) / MODEL)
    evaluate_models(
        experiment,
        store,
        models if "synthetic" in trained else None,
        folder / PARAMETERS if "physical" in trained else None,
        folder / "evaluation",
        earlier=found,
    )
    write_experiment_file(folder / FILE, experiment)
    report_of_folder(folder / REPORT, folder, experiment)
    remove_finished_checkpoints(folder)
    logger.info("%s", summary_of_folder(folder))
    return folder


def _prepare_data(experiment: Experiment, source: str) -> tuple[DataManager, list[str]]:
    """Data of the experiment, and warnings about them.

    Simulate raw files if the experiment says so, check settings against them, and cache them.
    """
    simulated: list[str] = []
    if experiment.generation_params is not None:
        _check(experiment, source, None)
        claim_raw_folder(experiment, source, claim=True)
        count = experiment.generation_params.num_simulations
        with recorded_warnings() as found:
            RawSimulations(experiment, experiment.raw_dir).make(range(count))
        simulated = inherited("simulate", found)
    store = DataManager.from_experiment(experiment)
    if store.index is not None:
        _check(experiment, source, store.index)
    training = experiment.trainer_params
    used = {*held_out_simulations(experiment)[0]}
    for stage in (training.physical, training.synthetic):
        used |= {*stage.train_sim, *stage.val_sim}
    if is_calibrated_by_simulation(experiment):
        used |= {*calibrated_simulations(experiment)}
    with recorded_warnings() as found:
        store.cache_shard(sorted(used))
        warn_of_assumptions(store)
    return store, [*simulated, *inherited("cache", found)]


def _check(experiment: Experiment, source: str, index: RawIndex | None) -> None:
    """Check the experiment against its data, or against those that it is going to simulate."""
    check_data(experiment, source, index)
    if index is not None:
        check_own_models(experiment, source, box_of(index.grid, index.layouts, index.known))
    check_field_guesses(experiment, source, planned_grid(experiment, index))


class _StagesOnFiles:
    """The stages of cycles, with files between them as in the workflow.

    Args:
        experiment: The experiment.
        store: The data.
        results: The experiment's folder.
        earlier: Warnings about the data, kept with all results.
    """

    def __init__(
        self, experiment: Experiment, store: DataManager, results: Path, earlier: Sequence[str]
    ) -> None:
        self._experiment, self._store, self._results = experiment, store, results
        self._made: dict[int, list[int]] = {}
        self._earlier = list(earlier)
        # of the guidance before, and of the simulations generated in, a cycle
        self._warnings: dict[tuple[str, int], list[str]] = {}

    def folder(self, cycle: int) -> Path:
        """Folder of a cycle's results."""
        is_only = num_cycles(self._experiment) == 1
        return self._results if is_only else cycle_folder(self._results, cycle)

    def guide(self, cycle: int) -> None:
        """Predict with the surrogate of the cycle before."""
        model = self.folder(cycle - 1) / MODEL
        with recorded_warnings() as found:
            predict_guidance(self._experiment, self._store, model, self._guidance(cycle))
        self._warnings["guide", cycle] = inherited("guide", found)

    def train_physical(self, cycle: int) -> None:
        """Calibrate the physical model."""
        experiment, folder = self._experiment, self.folder(cycle)
        if is_calibrated_by_simulation(experiment):
            self._calibrate_simulations(folder)
            return
        training = experiment.trainer_params.physical
        inputs = self._store.manifest(sorted({*training.train_sim, *training.val_sim}))["files"]
        guidance = surrogate = None
        if cycle > 1:
            before = self.folder(cycle - 1)
            guidance = GuidanceFiles(self._guidance(cycle), before / PARAMETERS)
            surrogate = sha256_of(before / MODEL)
        files = CalibrationFiles(
            folder / PARAMETERS,
            folder / "physical" / "history.csv",
            folder / "checkpoints",
            experiment.workflow.checkpoint_every_s,
        )
        identity = {
            **_identity(experiment, inputs),
            "guidance": surrogate,
            "compilation": compilation(experiment.workflow.compile),
        }
        earlier = [*self._earlier, *self._warnings.get(("guide", cycle), ())]
        calibrate(experiment, self._store, files, identity, guidance, earlier=earlier)

    def _calibrate_simulations(self, folder: Path) -> None:
        """Calibrate the physical model with parameters of each simulation."""
        experiment, estimates = self._experiment, []
        if not shared_parameters(experiment):
            used = calibrated_simulations(experiment)
            digests = self._store.manifest(used)["files"]
            identity = _identity(experiment, {})
            kept = {"settings": identity["run"], "code": identity["code"]}
            directory = folder / "physical" / ESTIMATES
            estimates = SimulationEstimates(experiment, self._store, directory, kept, digests).make(
                used
            )
        files = CalibrationFiles(
            folder / PARAMETERS, folder / "physical" / "history.csv", folder / "checkpoints"
        )
        calibrate_simulations(experiment, self._store, files, estimates, earlier=self._earlier)

    def augment(self, cycle: int) -> None:
        """Generate simulations with the calibrated model."""
        experiment = self._experiment
        with recorded_warnings() as found:
            made = generate_simulations(
                experiment,
                self._store,
                self.folder(cycle) / PARAMETERS,
                self._augmented(cycle),
                range(experiment.augmentation.num_simulations),
            )
        self._warnings["augment", cycle] = inherited("augment", found)
        check_left_out(experiment, made)
        self._made[cycle] = made

    def train_synthetic(self, cycle: int = 1, replicate: int = 0) -> None:
        """Train a surrogate on the data and on the generated simulations.

        Args:
            cycle: Number of the cycle.
            replicate: Number of the surrogate; all of them have the same data.
        """
        source = self.folder(cycle)
        folder = replicate_folder(source, replicate) if replicate else source
        experiment = replicate_of(self._experiment, replicate)
        is_calibrated = "physical" in stages_trained(experiment)
        parameters = [source / PARAMETERS] * (is_calibrated and needs_equation(experiment))
        with recorded_warnings() as found:
            experiment, real = with_values(
                experiment, self._store, parameters[0] if parameters else None
            )
        training = SurrogateTraining(
            experiment,
            real,
            self._augmented(cycle) if cycle in self._made else None,
            self._made.get(cycle, []),
            physical=calibrated_model(experiment, parameters),
            warm_start=None if cycle == 1 else self.folder(cycle - 1) / MODEL,
            cycle=(cycle, num_cycles(experiment)),
            earlier=[*self._earlier, *self._warnings.get(("augment", cycle), ()), *found],
        )
        settings = experiment.workflow
        files = SurrogateFiles(
            folder / MODEL,
            folder / "synthetic" / "history.csv",
            folder / "checkpoints",
            settings.checkpoint_every_s,
            folder / "tensorboard" if settings.tensorboard else None,
        )
        training.run(files, _identity(experiment, training.inputs()))

    def _guidance(self, cycle: int) -> CacheManager:
        return CacheManager(self.folder(cycle) / "guidance")

    def _augmented(self, cycle: int) -> CacheManager:
        return CacheManager(self.folder(cycle) / "augmented")


def _identity(experiment: Experiment, inputs: dict[str, str]) -> dict[str, Any]:
    """Everything that decides a training in ``run.py``: the experiment, the data, and all code."""
    settings = experiment.model_dump(mode="json", exclude={"workflow", "evaluation_params"})
    model, root = experiment.model, Path(experiment.project_root)
    sections = [each for each in (model.physical, model.synthetic) if each is not None]
    own = [root / section.module for section in sections if section.module]
    code = [sha256_of(path) for path in [*sorted(PACKAGE.rglob("*.py")), *own]]
    return {"run": settings, "inputs": inputs, "code": code}
