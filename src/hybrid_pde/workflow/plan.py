"""An experiment as the rules see it: files, shards, settings and code."""

import os
from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path

from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.config.checks.symmetries import box_of
from hybrid_pde.config.derived import (
    calibrated_simulations,
    held_out_simulations,
    is_calibrated_by_simulation,
    needs_equation,
    num_cycles,
    stages_trained,
)
from hybrid_pde.config.discovery import architecture_module, equation_module
from hybrid_pde.config.loading import keys_written
from hybrid_pde.config.raw_formats import AUTO
from hybrid_pde.config.schema import GivenStates
from hybrid_pde.config.written_keys import WrittenKeys, keys_as_written
from hybrid_pde.data.atomic import unwritable_parent
from hybrid_pde.data.cache.cache_location import cache_directory, digest_of, reading_digest
from hybrid_pde.data.cache.damage_report import damage_report
from hybrid_pde.data.cache.raw_index import RawIndex, build_index, scan
from hybrid_pde.data.plan_checks import check_data, planned_grid
from hybrid_pde.data.raw_claim import claim_raw_folder
from hybrid_pde.data.raw_files.formats import companions, reader_files
from hybrid_pde.data.raw_files.stored_parts import status_of
from hybrid_pde.domain.run_folders import Run
from hybrid_pde.errors import RawDataError, StorageError
from hybrid_pde.models.user_models import check_own_models
from hybrid_pde.training.physical.plan_checks import check_field_guesses
from hybrid_pde.workflow import stage_settings as settings
from hybrid_pde.workflow.code_digest import PACKAGE, code_digest
from hybrid_pde.workflow.job_names import check_names, check_raw_files
from hybrid_pde.workflow.shards import Shard, manifest_name, shards, shards_with

SYNTHETIC_STAGES = {"train_synthetic", "guide", "evaluate"}
USER_NETWORK = "hybrid_pde.models.synthetic.user_network"  # the registry imports it by name
SCRIPTS = PACKAGE.parents[1] / "workflow" / "scripts"
TEMPLATES = {
    "report": tuple(sorted((PACKAGE / "evaluation" / "report" / "templates").glob("*.j2")))
}
EVALUATION_FILES = (
    "metrics.json",
    "timing.json",
    "error_curves.png",
    "prediction.png",
    "diagnostics.png",
    "animation.gif",
    "rollouts.nc",
    "frames.json",
)


class Plan:
    """One experiment as the workflow sees it.

    Args:
        path: The experiment file.
        claim: Whether the cache folder may be marked as used by this experiment; false in a dry
            run.
        overrides: ``key.subkey=value`` each; they take precedence over the file.
        pinned: Names of pinned experiments, which are not run and may have lost their data.

    Attributes:
        reused: The experiment with the calibration and generated simulations that this one takes.

    Raises:
        ConfigError, RawDataError: if the experiment cannot run, before anything is computed.
    """

    def __init__(
        self, path: Path, claim: bool, overrides: Iterable[str] = (), pinned: Collection[str] = ()
    ) -> None:
        self.path = path
        self._overrides = tuple(overrides)
        self.experiment = parse_experiment(load_experiment(path, self._overrides))
        self.name = self.experiment.name
        self.reused: Plan | None = None
        self.results = f"results/{self.name}"
        self.raw_dir = os.path.normpath(self.experiment.raw_dir)
        is_pinned = self.name in pinned
        if not is_pinned:
            check_names(self.experiment, str(path))
        if not self.is_generated and not is_pinned:
            # before a library opens them
            check_raw_files(scan(self.experiment.raw_dir, self.experiment.data.format), str(path))
        if not is_pinned:
            self._check_data()
        if self.is_generated and not is_pinned:
            claim_raw_folder(self.experiment, str(path), claim)
        self.cache_dir = os.path.normpath(cache_directory(self.experiment, claim and not is_pinned))
        self.reading = reading_digest(self.experiment)
        if not is_pinned:
            self._refuse_read_only()

    def import_own_models(self) -> None:
        """Import the experiment's own modules, which are code, and check it against them.

        Raises:
            ConfigError: see :func:`check_own_models`.
        """
        with keys_as_written(self._keys_written):
            box = None
            if not self.is_generated and self.experiment.augmentation.symmetries:
                box = box_of(self.index.grid, self.index.layouts, self.index.known)
            check_own_models(self.experiment, str(self.path), box)

    def _keys_written(self) -> WrittenKeys:
        return keys_written(self.path, self._overrides)

    @property
    def is_generated(self) -> bool:
        """True if the workflow simulates the raw files itself."""
        return self.experiment.generation_params is not None

    @cached_property
    def index(self) -> RawIndex:
        """The raw files that exist."""
        return build_index(self.experiment, strict=False)

    @cached_property
    def num_simulations(self) -> int:
        """Number of simulations that the data set has, or will have."""
        if self.experiment.generation_params is not None:
            return self.experiment.generation_params.num_simulations
        return self.index.num_simulations

    @property
    def cycles(self) -> int:
        """Number of hybrid cycles."""
        return num_cycles(self.experiment)

    def settings(self, stage: str, run: Run | None = None) -> str:
        """The rule's ``cfg`` param.

        Args:
            stage: Name of the stage.
            run: The cycle or replicate that the stage belongs to.
        """
        cycle, replicate = (run.cycle, run.replicate) if run else (1, 0)
        return settings.stage_settings(self.experiment, stage, cycle, replicate)

    def code(self, stage: str) -> str:
        """The rule's ``code`` param."""
        model = self.experiment.model
        modules: list[str] = []
        own = [SCRIPTS / f"{stage}.py", *TEMPLATES.get(stage, ())]
        for section, is_used, module_of in (
            (model.physical, self._solves(stage), equation_module),
            (model.synthetic, stage in SYNTHETIC_STAGES, architecture_module),
        ):
            if section is not None and is_used:
                if section.module:
                    own.append(Path(self.experiment.project_root) / section.module)
                    if section is model.synthetic:
                        modules.append(USER_NETWORK)
                else:
                    modules.append(module_of(section.name))
        # readers are found by their folder, not imported
        if stage == "cache":
            own += reader_files(self.experiment.data.format)
        elif stage == "augment":  # initial states may have another format than the data
            own += reader_files(AUTO)
        return code_digest(modules, own)

    def cache_manifests(self, indices: list[int]) -> list[str]:
        """Manifests of the shards that contain the given simulations."""
        divided = self.shards(self.num_simulations, self.cache_dir, "cached")
        return [
            f"{self.cache_dir}/{manifest_name('cached', s)}" for s in shards_with(indices, divided)
        ]

    def raw_inputs(self, shard: Shard) -> list[str]:
        """Raw files of a shard of the cache, or manifests of the shards that simulate them."""
        indices = range(shard[0], shard[1] + 1)
        if self.is_generated:
            return self._simulated_manifests(list(indices))
        return list(dict.fromkeys(str(self.index.simulations[i][0]) for i in indices))

    def raw_parts(self, shard: Shard) -> str:
        """Digest of sizes and times of a shard's raw files with several parts; empty for others.

        Such files are folders (Zarr stores, scenes), or have companions beside them.
        """
        if self.is_generated:
            return ""
        files = [Path(each) for each in self.raw_inputs(shard)]
        parts = {each.name: status_of(each) for each in files if each.is_dir() or companions(each)}
        return digest_of(parts) if parts else ""

    def first_sample(self, shard: Shard) -> int:
        """Place of a shard's first simulation in its raw file; simulated files hold only one."""
        return 0 if self.is_generated else self.index.simulations[shard[0]][1]

    def _simulated_manifests(self, indices: list[int]) -> list[str]:
        """Manifests of the shards that simulate the given simulations."""
        divided = self.shards(self.num_simulations, self.raw_dir, "simulated")
        names = [manifest_name("simulated", s) for s in shards_with(indices, divided)]
        return [f"{self.raw_dir}/{name}" for name in names]

    def sensor_files(self) -> list[str]:
        """Files of sensor readings that the calibration uses besides the simulations."""
        observations = self.experiment.data.observations
        if observations is None or observations.sensors is None:
            return []
        return [os.path.normpath(Path(self.experiment.project_root) / observations.sensors)]

    def state_files(self) -> list[str]:
        """Files of initial states that simulations are generated from."""
        condition = self.experiment.augmentation.initial_condition
        if not isinstance(condition, GivenStates):
            return []
        return [os.path.normpath(Path(self.experiment.project_root) / condition.path)]

    def simulations(self, stage: str, kinds: tuple[str, ...]) -> list[int]:
        """Simulations that a stage reads, e.g. those in ``train_sim``."""
        training = getattr(self.experiment.trainer_params, stage)
        return sorted({index for kind in kinds for index in getattr(training, kind)})

    def _solves(self, stage: str) -> bool:
        """True if a stage runs the code of the equation."""
        if stage == "train_synthetic":
            return needs_equation(self.experiment)
        return stage in {"simulate", "calibrate", "train_physical", "augment", "guide", "evaluate"}

    def _check_data(self) -> None:
        """Check the experiment against its data, or against those that it is going to simulate."""
        index = None if self.is_generated else self.index
        with keys_as_written(self._keys_written):
            check_data(self.experiment, str(self.path), index)
            grid = planned_grid(self.experiment, index)
            check_field_guesses(self.experiment, str(self.path), grid)
        if index is not None:
            self._refuse_damaged()

    def _used(self) -> set[int]:
        """Simulations that a stage reads."""
        used = {*held_out_simulations(self.experiment)[0]}
        for stage in stages_trained(self.experiment):
            used |= {*self.simulations(stage, ("train_sim", "val_sim"))}
        if is_calibrated_by_simulation(self.experiment):
            used |= {*calibrated_simulations(self.experiment)}
        return used

    def _refuse_damaged(self) -> None:
        """A damaged raw file matters only if its simulation is used."""
        used = self._used()
        files = {self.index.simulations[number][0] for number in used}
        wrong = {file: text for file, text in self.index.errors.items() if file in files}
        if wrong:
            raise RawDataError(damage_report(wrong))

    def _refuse_read_only(self) -> None:
        """Reject folders that cannot be written and have to receive simulations."""
        used = self._used()
        needed = {"cache_dir": (self.cache_dir, self.cache_manifests(sorted(used)))}
        if self.is_generated:
            files = self._simulated_manifests(sorted(used))
            needed["data_dir"] = (self.raw_dir, files)
        for key, (folder, files) in needed.items():
            is_complete = all(Path(file).exists() for file in files)
            if not is_complete and (problem := unwritable_parent(Path(folder))):
                raise StorageError(
                    f"{self.path}: data.{key}: {folder} cannot be written ({problem}), and "
                    f"simulations belong there; set data.{key} to a folder that can be"
                )

    def shards(self, count: int, directory: str, kind: str) -> list[Shard]:
        """Division of the simulations in a folder among jobs."""
        return shards(count, self.experiment.workflow.sims_per_job, Path(directory), kind)
