"""What the rules ask about experiments: their files, shards, settings and code."""

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from src.config import load_experiment, parse_experiment
from src.config.data_checks import check_against_data
from src.config.derived import held_out_simulations, is_augmented, stages_trained
from src.config.loading import CONFIG_DIR, as_overrides, default_experiment, find_experiment
from src.config.modules import ARCHITECTURES, EQUATION_MODULES
from src.data.index import RawIndex, build_index
from src.data.reading import cache_directory, reading_digest
from src.errors import ConfigError, RawDataError, UserError
from src.factories.own_models import check_own_models
from workflow import settings
from workflow.code_digest import ROOT, code_digest
from workflow.shards import Shard, holding, manifest_name, shards

PHYSICAL_STAGES = {"simulate", "train_physical", "augment", "evaluate"}
SYNTHETIC_STAGES = {"train_synthetic", "evaluate"}
TEMPLATES = {"report": (ROOT / "src" / "evaluation" / "report.html.j2",)}
EVALUATION_FILES = (
    "metrics.json",
    "timing.json",
    "error_curves.png",
    "prediction.png",
    "animation.gif",
    "rollouts.nc",
)


class Plan:
    """One experiment as the workflow sees it.

    Args:
        path: The experiment file.
        claim: Whether the cache folder may be marked as this experiment's; a dry run marks none.
        overrides: ``key.subkey=value`` each; they win over the file.

    Raises:
        ConfigError, RawDataError: if the experiment cannot run, before anything is computed.
    """

    def __init__(self, path: Path, claim: bool, overrides: Iterable[str] = ()) -> None:
        self.path = path
        self.experiment = parse_experiment(load_experiment(path, overrides))
        check_own_models(self.experiment, str(path))
        self.name = self.experiment.name
        self.results = f"results/{self.name}"
        self.raw_dir = os.path.normpath(self.experiment.raw_dir)
        if not self.is_generated:
            frames = [
                None if file in self.index.errors else self.index.num_frames(number)
                for number, (file, _) in enumerate(self.index.simulations)
            ]
            check_against_data(
                self.experiment,
                str(path),
                self.index.layouts,
                frames,
                self.index.grid,
                self.index.known,
            )
            self._refuse_damaged()
        self.cache_dir = os.path.normpath(cache_directory(self.experiment, claim=claim))
        self.reading = reading_digest(self.experiment)

    @property
    def is_generated(self) -> bool:
        """Whether the workflow simulates the raw files itself."""
        return self.experiment.generation_params is not None

    @cached_property
    def index(self) -> RawIndex:
        """The raw files that are there."""
        return build_index(self.experiment, strict=False)

    @cached_property
    def num_simulations(self) -> int:
        """How many simulations the data set has, or will have."""
        if self.experiment.generation_params is not None:
            return self.experiment.generation_params.num_simulations
        return self.index.num_simulations

    def settings(self, stage: str) -> str:
        """The rule's ``cfg`` param."""
        return settings.stage_settings(self.experiment, stage)

    def code(self, stage: str) -> str:
        """The rule's ``code`` param."""
        model = self.experiment.model
        modules, own = [f"workflow.scripts.{stage}"], list(TEMPLATES.get(stage, ()))
        for section, stages, built_in in (
            (model.physical, PHYSICAL_STAGES, EQUATION_MODULES),
            (model.synthetic, SYNTHETIC_STAGES, ARCHITECTURES),
        ):
            if section is not None and stage in stages:
                if section.module:
                    own.append(Path(self.experiment.project_root) / section.module)
                else:
                    modules.append(built_in[section.name])
        return code_digest(modules, own)

    def cache_manifests(self, indices: list[int]) -> list[str]:
        """Manifests of the shards that hold the given simulations."""
        divided = self._shards(self.num_simulations, self.cache_dir, "cached")
        return [f"{self.cache_dir}/{manifest_name('cached', s)}" for s in holding(indices, divided)]

    def raw_inputs(self, shard: Shard) -> list[str]:
        """Raw files of a shard of the cache, or the manifests of the shards that make them."""
        indices = range(shard[0], shard[1] + 1)
        if self.is_generated:
            divided = self._shards(self.num_simulations, self.raw_dir, "simulated")
            needed = holding(indices, divided)
            return [f"{self.raw_dir}/{manifest_name('simulated', s)}" for s in needed]
        return list(dict.fromkeys(str(self.index.simulations[i][0]) for i in indices))

    def sensor_files(self) -> list[str]:
        """Files of readings that the calibration sees beside the simulations."""
        observations = self.experiment.data.observations
        if observations is None or observations.sensors is None:
            return []
        return [os.path.normpath(Path(self.experiment.project_root) / observations.sensors)]

    def augment_manifests(self) -> list[str]:
        """Manifests of all generated simulations, none where there is no augmentation."""
        if not is_augmented(self.experiment):
            return []
        directory = f"{self.results}/augmented"
        count = self.experiment.augmentation.num_simulations
        divided = self._shards(count, directory, "generated")
        return [f"{directory}/{manifest_name('generated', s)}" for s in divided]

    def evaluation_inputs(self) -> dict[str, list[str]]:
        """Held-out simulations and the models that there are."""
        trained = stages_trained(self.experiment)
        physical, synthetic = "physical" in trained, "synthetic" in trained
        return {
            "cache": self.cache_manifests(held_out_simulations(self.experiment)[0]),
            "model": [f"{self.results}/synthetic_model.pt"] * synthetic,
            "parameters": [f"{self.results}/physical/parameters.yaml"] * physical,
        }

    def report_inputs(self) -> dict[str, list[str]]:
        """What the report shows."""
        trained = stages_trained(self.experiment)
        files = [f"{self.results}/{stage}/history.csv" for stage in trained]
        files += self.evaluation_inputs()["parameters"]
        files += [f"{self.results}/evaluation/{name}" for name in EVALUATION_FILES]
        return {"results": files}

    def simulations(self, stage: str, kinds: tuple[str, ...]) -> list[int]:
        """Simulations that a stage reads, e.g. those in ``train_sim``."""
        training = getattr(self.experiment.trainer_params, stage)
        return sorted({index for kind in kinds for index in getattr(training, kind)})

    def _refuse_damaged(self) -> None:
        """A damaged raw file matters only if its simulation is used."""
        used = {*held_out_simulations(self.experiment)[0]}
        for stage in stages_trained(self.experiment):
            used |= {*self.simulations(stage, ("train_sim", "val_sim"))}
        files = {self.index.simulations[number][0] for number in used}
        wrong = [message for file, message in self.index.errors.items() if file in files]
        if wrong:
            raise RawDataError("\n".join(wrong))

    def _shards(self, count: int, directory: str, kind: str) -> list[Shard]:
        return shards(count, self.experiment.workflow.sims_per_job, Path(directory), kind)


class Plans:
    """All experiments that the targets of one call of Snakemake touch.

    Args:
        settings: What ``--config`` says: ``experiment``, the name or path of the default experiment
            (else that of ``config/config.yaml``), and sections that override its own.
        claim: See :class:`Plan`.
    """

    def __init__(self, settings: Mapping[str, Any], claim: bool) -> None:
        self._claim = claim
        self._by_name: dict[str, Plan] = {}
        sections = {key: value for key, value in settings.items() if key != "experiment"}
        path = find_experiment(settings.get("experiment") or default_experiment())
        self.default = self._add(path, as_overrides(sections))

    def __getitem__(self, name: str) -> Plan:
        """The experiment whose results lie in ``results/<name>``."""
        if name not in self._by_name:
            plan = self._add(find_experiment(name))
            if plan.name != name:
                raise ConfigError(
                    f"{plan.path}: run_params.experiment_name: {plan.name!r}: its results lie in "
                    f"results/{plan.name}; ask for results/{plan.name}/…"
                )
        return self._by_name[name]

    def by_directory(self, attribute: str, directory: str) -> Plan:
        """The experiment with this cache or raw folder."""
        for plan in self._by_name.values():
            if getattr(plan, attribute) == directory:
                return plan
        for path in sorted(Path(CONFIG_DIR).glob("*.yaml")):
            try:
                plan = self._add(path)
            except UserError:
                continue  # whatever is wrong with a neighbour, nobody asked for it
            if getattr(plan, attribute) == directory:
                return plan
        raise ConfigError(f"{directory}: no experiment in {CONFIG_DIR}/ has this folder")

    def _add(self, path: Path, overrides: Iterable[str] = ()) -> Plan:
        plan = Plan(path, self._claim, overrides)
        for other in self._by_name.values():
            if other.cache_dir == plan.cache_dir and other.reading != plan.reading:
                # in a dry run nobody has claimed the folder; it is the first one's
                plan.cache_dir = f"{plan.cache_dir}/{plan.reading}"
                break
        known = self._by_name.setdefault(plan.name, plan)
        if known.path != path:
            raise ConfigError(
                f"{path}: run_params.experiment_name: {plan.name!r}: also the name of {known.path}"
            )
        for other in self._by_name.values():
            self._refuse_conflict(plan, other)
        return known

    @staticmethod
    def _refuse_conflict(plan: Plan, other: Plan) -> None:
        """Two experiments must not simulate different things into the same folder."""
        if plan.raw_dir != other.raw_dir:
            return
        if plan.is_generated != other.is_generated or (
            plan.is_generated and plan.settings("simulate") != other.settings("simulate")
        ):
            raise ConfigError(
                f"{plan.path}: generation_params: differ from those of {other.path}, which has the "
                f"same raw folder {plan.raw_dir}; give one of them another data.dset_name"
            )
