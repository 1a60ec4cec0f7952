"""The stage ``calibrate``: estimates of the parameters that each simulation has of its own."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.config.derived import NUM_REFERENCES, calibrated_simulations, is_held_out
from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.config.result_file import read_result_file
from hybrid_pde.config.result_shapes import EstimateManifest, SimulationEstimate
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import sha256_of, write_json
from hybrid_pde.data.cache.manifests import digests_of
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.errors import CalibrationError, DamagedResultError
from hybrid_pde.progress import progress
from hybrid_pde.stages.threads import limit_threads
from hybrid_pde.training.checkpoint import digest
from hybrid_pde.training.physical.per_simulation import Estimate, SimulationCalibrator

logger = logging.getLogger(__name__)
_IDENTITY = "identity"
_SPLITS = ("train_sim", "val_sim", "test_sim")


def calibrate_shard(
    settings: dict[str, Any],
    shard: Sequence[int],
    cache: Sequence[Path],
    manifest: Path,
    *,
    code: str = "",
    threads: int = 1,
) -> None:
    """Calibrate the simulations of a shard and write their manifest.

    Args:
        settings: The experiment's settings that the estimates depend on.
        shard: The simulations; those that the experiment does not use are left out.
        cache: Manifests of the cached simulations, also of those that select the scheme.
        manifest: JSON file to write, beside the estimates.
        code: Digest of the code; estimates of other code are made again.
        threads: Threads that the rule was given.
    """
    used_threads = limit_threads(threads)
    experiment = parse_experiment(settings)
    store = SimulationStore(cache[0].parent)
    wanted = [index for index in calibrated_simulations(experiment) if index in set(shard)]
    references = experiment.trainer_params.physical.train_sim[:NUM_REFERENCES]
    digests = digests_of(cache, {*wanted, *references})
    identity = {"settings": settings, "code": code, "threads": used_threads}
    estimates = SimulationEstimates(experiment, store, manifest.parent, identity, digests)
    estimates.make(wanted)
    files = {estimates.path(i).name: sha256_of(estimates.path(i)) for i in wanted}
    write_json(manifest, {"simulations": wanted, "files": files})


class SimulationEstimates:
    """Estimates of single simulations in files, ``sim_000000.json``, ….

    Args:
        experiment: The experiment.
        store: The simulations.
        directory: Folder of the files.
        identity: Settings and code that decide the estimates, as JSON types.
        digests: Digest of each simulation's file, by name.
    """

    def __init__(
        self,
        experiment: Experiment,
        store: SimulationStore,
        directory: Path,
        identity: Mapping[str, Any],
        digests: Mapping[str, str],
    ) -> None:
        self._experiment, self._store, self.directory = experiment, store, directory
        self._digests = digests
        observed = experiment.data.observations
        sensors = None if observed is None else observed.sensors
        readings = None if sensors is None else Path(experiment.project_root) / sensors
        self._common = {
            **_without_splits(identity),
            "sensors": None if readings is None else sha256_of(readings),
        }

    def path(self, index: int) -> Path:
        """File of a simulation's estimate."""
        return self.directory / f"sim_{index:06d}.json"

    def make(self, indices: Sequence[int]) -> list[Estimate]:
        """Calibrate those that have no file of the same settings, code and data yet."""
        self.directory.mkdir(parents=True, exist_ok=True)
        missing = [index for index in indices if not self._is_current(index)]
        calibrator = None
        for index in progress(missing, "calibrating"):
            if calibrator is None:
                calibrator = SimulationCalibrator(self._experiment, self._store)
                calibrator.select_scheme()
            found = calibrator.calibrate(index)
            write_json(self.path(index), {_IDENTITY: self._identity(index), **found})
        logger.info("%d of %d simulations newly calibrated", len(missing), len(indices))
        return [self._read(index) for index in indices]

    def _read(self, index: int) -> Estimate:
        return read_result_file(self.path(index), SimulationEstimate)

    def _is_current(self, index: int) -> bool:
        if not self.path(index).exists():
            return False
        try:
            return bool(self._read(index)[_IDENTITY] == self._identity(index))
        except DamagedResultError:
            return False

    def _identity(self, index: int) -> str:
        """Digest of everything that decides an estimate."""
        references = self._experiment.trainer_params.physical.train_sim[:NUM_REFERENCES]
        files = [self._store.path(each).name for each in (index, *references)]
        return digest(
            {
                "common": self._common,
                "held_out": is_held_out(self._experiment, index),
                "files": [self._digests[name] for name in files],
            }
        )


def read_estimates(manifests: Sequence[Path]) -> list[Estimate]:
    """The estimates that manifests list, by number of the simulation.

    Raises:
        CalibrationError: if an estimate is missing or was changed.
        DamagedResultError: if a manifest has other content.
    """
    found = []
    for manifest in manifests:
        for name, expected in read_result_file(manifest, EstimateManifest)["files"].items():
            path = manifest.parent / Path(name).name
            if not path.is_file() or sha256_of(path) != expected:
                state = "was changed" if path.is_file() else "is missing"
                raise CalibrationError(
                    f"{path}: {state}; delete {manifest} and call the same command again"
                )
            found.append(read_result_file(path, SimulationEstimate))
    return sorted(found, key=lambda each: int(each["simulation"]))


def _without_splits(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The identity without the lists of simulations, which do not matter to a single one."""
    copied: dict[str, Any] = json.loads(json.dumps(identity, default=str))
    training = copied["settings"]["trainer_params"]
    for section in (training, training.get("physical") or {}, training.get("synthetic") or {}):
        for split in _SPLITS:
            section.pop(split, None)
    return copied
