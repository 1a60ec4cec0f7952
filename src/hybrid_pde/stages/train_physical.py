"""The stage ``train_physical``: calibration of the physical model."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid_pde.config.derived import (
    calibrated_simulations,
    is_calibrated_by_simulation,
    own_parameters,
    shared_parameters,
)
from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import sha256_of, write_json
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.manifests import digests_of, warnings_of
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.simulation_table import FILE as TABLE
from hybrid_pde.data.simulation_table import values_by_simulation
from hybrid_pde.domain.run_folders import RESIDUALS
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.evaluation.history import write_history
from hybrid_pde.evaluation.number_format import number
from hybrid_pde.models.physical.calibrated_model import calibrated_experiment
from hybrid_pde.models.physical.parameters_file import read_result, write_parameters
from hybrid_pde.numerics.workload import compilation
from hybrid_pde.result_warnings import of_earlier_cycle, recorded_warnings
from hybrid_pde.stages.calibrate import read_estimates
from hybrid_pde.stages.kept_results import FOLDER, KeptResults
from hybrid_pde.stages.threads import limit_threads
from hybrid_pde.training.checkpoint_folder import CheckpointFolder
from hybrid_pde.training.hybrid.guided_calibration import Guidance, calibrate_cycle
from hybrid_pde.training.physical.calibration_setup import calibration_trainer, calibration_windows
from hybrid_pde.training.physical.evaluation_log import EvaluationLog
from hybrid_pde.training.physical.per_simulation import Estimate
from hybrid_pde.training.physical.shared_parameters import JointCalibration
from hybrid_pde.training.physical.simulation_estimates import combined_result

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CalibrationInputs:
    """Files that a calibration reads.

    Attributes:
        cache: Manifests of the cached simulations.
        previous: ``parameters.yaml`` of the cycle before, from the second cycle on.
        guidance: Manifest of the surrogate's predictions, from the second cycle on.
        calibrated: Manifests of estimates of single simulations, where these have parameters of
            their own.
    """

    cache: Sequence[Path]
    previous: Sequence[Path] = ()
    guidance: Sequence[Path] = ()
    calibrated: Sequence[Path] = ()


@dataclass(frozen=True)
class CalibrationFiles:
    """Files that a calibration writes.

    Attributes:
        parameters: ``parameters.yaml``.
        history: ``history.csv``.
        checkpoints: Folder of checkpoints, one sub-folder a calibration.
        checkpoint_every_s: Least time between two checkpoints [s].
    """

    parameters: Path
    history: Path
    checkpoints: Path
    checkpoint_every_s: float = 60.0


@dataclass(frozen=True)
class GuidanceFiles:
    """Results of the cycle before that guide a calibration.

    Attributes:
        predictions: The surrogate's predictions.
        previous: ``parameters.yaml``.
    """

    predictions: CacheManager
    previous: Path


def train_physical(
    settings: dict[str, Any],
    inputs: CalibrationInputs,
    files: CalibrationFiles,
    *,
    code: str,
    threads: int = 1,
    compile: str = "auto",
) -> None:
    """Calibrate on the training simulations, from the last checkpoint if there is one.

    Results of the same data, settings and code are taken as they are.

    Args:
        settings: The experiment's settings that the calibration depends on.
        inputs: Files to read.
        files: Files to write.
        code: Digest of the code; checkpoints of other code are not used.
        threads: Threads that the rule was given.
        compile: Whether time steps are compiled: ``auto``, ``always`` or ``never``.
    """
    used_threads = limit_threads(threads)
    experiment = parse_experiment({**settings, "workflow": {"compile": compile}})
    training = experiment.trainer_params.physical
    earlier = warnings_of([*inputs.cache, *inputs.guidance])
    observed = experiment.data.observations
    sensors = [] if observed is None or observed.sensors is None else [Path(observed.sensors)]
    identity = {
        "settings": settings,
        "code": code,
        "threads": used_threads,
        "compilation": compilation(compile),
        "cache": digests_of(inputs.cache, [*training.train_sim, *training.val_sim]),
        "sensors": [sha256_of(path) for path in sensors if path.is_file()],
        "guidance": [sha256_of(path) for path in [*inputs.previous, *inputs.guidance]],
    }
    if is_calibrated_by_simulation(experiment):
        identity["cache"] = digests_of(inputs.cache, calibrated_simulations(experiment))
        identity["calibrated"] = [sha256_of(path) for path in inputs.calibrated]
    folder = files.parameters.parent
    kept = KeptResults(folder / FOLDER, {**identity, "warnings": earlier})
    if kept.restore([files.parameters, files.history]):
        return
    guidance = None
    if inputs.guidance:
        guidance = GuidanceFiles(CacheManager(inputs.guidance[0].parent), inputs.previous[0])
    store = SimulationStore(inputs.cache[0].parent)
    if is_calibrated_by_simulation(experiment):
        estimates = read_estimates(inputs.calibrated)
        calibrate_simulations(experiment, store, files, estimates, earlier=earlier)
        beside = [folder / TABLE]
    else:
        calibrate(experiment, store, files, identity, guidance, earlier=earlier)
        beside = [*sorted(folder.glob("*.nc")), *folder.glob(RESIDUALS)]
    kept.keep([files.parameters, files.history, *beside])


def calibrate_simulations(
    experiment: Experiment,
    store: SimulationStore,
    files: CalibrationFiles,
    estimates: Sequence[Estimate],
    *,
    earlier: Sequence[str] = (),
) -> dict[str, Any]:
    """Write the result of a calibration with parameters of each simulation.

    Writes ``parameters.yaml``, ``per_simulation.csv`` and ``history.csv``. Parameters that all
    simulations share are estimated here, together with the others.

    Args:
        experiment: The experiment.
        store: The simulations.
        files: Files to write.
        estimates: Estimates of all simulations; they are made here where parameters are shared.
        earlier: Warnings of the stages that made the simulations, to be kept.

    Returns:
        The result, see :func:`combined_result`.

    Raises:
        CalibrationError: if no training simulation can be calibrated.
    """
    with recorded_warnings() as found:
        shared = None
        if shared_parameters(experiment):
            joint = JointCalibration(experiment, store)
            estimates, shared = joint.run(calibrated_simulations(experiment))
        result = combined_result(experiment, estimates, shared)
    _complete(result["parameters"], experiment, store.units)
    result["warnings"] = list(dict.fromkeys([*earlier, *found]))
    result["experiment"] = calibrated_experiment(experiment, store.description)
    write_history(files.history, result["history"])
    write_parameters(files.parameters, result)
    valued = len(values_by_simulation(result["table"]))
    logger.info(
        "%s: %d of %d simulations have values", ", ".join(own_parameters(experiment)), valued,
        len(estimates),
    )  # fmt: skip
    return result


def calibrate(
    experiment: Experiment,
    store: SimulationStore,
    files: CalibrationFiles,
    identity: Mapping[str, Any],
    guidance: GuidanceFiles | None = None,
    *,
    earlier: Sequence[str] = (),
) -> dict[str, Any]:
    """Estimate the physical model's parameters and write ``parameters.yaml`` and ``history.csv``.

    The key ``warnings`` of ``parameters.yaml`` has all warnings about the result.

    Args:
        experiment: Sections ``model.physical``, ``trainer_params`` and ``hybrid``.
        store: The training simulations; also those of ``val_sim`` if there is guidance and
            ``hybrid.revert_if_worse``.
        files: Files to write.
        identity: Settings, code and inputs that decide the result; checkpoints of another identity
            are not used.
        guidance: Results of the cycle before, from the second cycle on.
        earlier: Warnings of the stages that made the simulations, to be kept.

    Returns:
        The result of :func:`calibrate_cycle`.
    """
    with CheckpointFolder(files.checkpoints, identity, files.checkpoint_every_s) as folder:
        log = EvaluationLog(folder)
        with recorded_warnings() as found:
            try:
                result = _estimate(experiment, store, guidance, log)
            finally:
                log.flush()
        _complete(result["parameters"], experiment, store.units)
        kept = [*earlier, *result.get("warnings", ()), *found]
        if guidance is not None:
            before = read_result(guidance.previous).get("warnings") or ()
            kept += of_earlier_cycle("train_physical", before)
        result["warnings"] = list(dict.fromkeys(kept))
        result["experiment"] = calibrated_experiment(experiment, store.description)
        _log_estimates(result)
        write_history(files.history, result["history"])
        write_parameters(files.parameters, result)
        residuals = files.parameters.with_name(RESIDUALS)
        residuals.unlink(missing_ok=True)  # those of another calibration
        if result.get("residuals"):
            write_json(residuals, result["residuals"])
        folder.finish()
    return result


def _estimate(
    experiment: Experiment,
    store: SimulationStore,
    files: GuidanceFiles | None,
    log: EvaluationLog,
) -> dict[str, Any]:
    windows = calibration_windows(experiment, store, use_sliding_window=False)
    trainer = calibration_trainer(experiment)
    trainer.log = log
    guidance = None
    if files is not None:
        guidance = Guidance(files.predictions, read_result(files.previous), store)
    return calibrate_cycle(trainer, windows, guidance)


def _complete(
    parameters: Mapping[str, dict[str, Any]], experiment: Experiment, units: StatedUnits
) -> None:
    """Add units, the estimate with the files' unit of time, and the value to compare it with."""
    learned = experiment.trainer_params.physical.learnable_parameters
    true_values = {each.name: each.true_value for each in learned}
    for name, parameter in parameters.items():
        if true_values.get(name) is not None:
            parameter["true_value"] = true_values[name]
        in_files = units.in_files(parameter["unit"])
        parameter["unit"] = units.concrete(parameter["unit"])
        if in_files is None:
            continue
        unit, factor = in_files
        keys = ("value", "uncertainty", "interval_90")
        parameter["in_units_of_files"] = {"unit": unit, "factor": factor} | {
            key: _scaled(parameter.get(key), factor)
            for key in keys
            if not isinstance(parameter["value"], Mapping)
        }


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, list | tuple):
        return [_scaled(each, factor) for each in value]
    return None if value is None else value * factor


def _log_estimates(result: Mapping[str, Any]) -> None:
    for name, parameter in result["parameters"].items():
        value, unit = parameter["value"], parameter["unit"]
        total = parameter.get("uncertainty")
        spread = parameter["std"] if total is None else total
        if value is None:
            continue
        if name in result["fields"] or spread is None:  # a field: a std for each learned number
            logger.info("%s = %s %s", name, number(value, 8), unit)
        else:
            logger.info("%s = %s ± %s %s", name, number(value, 8), number(spread, 2), unit)
