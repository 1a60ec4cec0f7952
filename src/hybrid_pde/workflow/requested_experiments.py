"""The experiments that one call of Snakemake needs."""

import os
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.config.derived import num_cycles
from hybrid_pde.config.loading import CONFIG_DIR, as_overrides, default_experiment, find_experiment
from hybrid_pde.config.schema import Experiment
from hybrid_pde.domain.run_folders import RUN_FOLDERS
from hybrid_pde.errors import ConfigError, UserError
from hybrid_pde.workflow.job_names import check_own_paths
from hybrid_pde.workflow.pin import EXPERIMENT_NAME, pinned_names
from hybrid_pde.workflow.plan import Plan
from hybrid_pde.workflow.shared_stages import check_shared_stages, refuse_chain


class RequestedExperiments:
    """All experiments that the targets of one call of Snakemake need.

    The modules of an experiment are imported when its results are requested, by its name. Those of
    the default experiment, and of experiments that only share a folder of data, are not.

    Args:
        settings: The ``--config`` of the call: ``experiment``, the name or path of the default
            experiment (otherwise ``config/config.yaml`` names it), and sections that override
            the sections of its file.
        claim: See :class:`Plan`.
        started_in: Folder in which the user called Snakemake; with its option ``--directory`` it
            is not the working directory.

    Attributes:
        default: The default experiment.
        pinned: Names of the pinned experiments.
    """

    def __init__(
        self, settings: Mapping[str, Any], claim: bool, started_in: Path | None = None
    ) -> None:
        self._claim = claim
        self.pinned = pinned_names()
        self._by_name: dict[str, Plan] = {}
        self._imported: set[str] = set()
        sections = {key: value for key, value in settings.items() if key != "experiment"}
        given = settings.get("experiment") or default_experiment()
        if started_in is not None and not Path(given).exists() and (started_in / given).is_file():
            given = started_in / given
        path = find_experiment(given)
        check_own_paths(path)
        self.default = self._add(path, as_overrides(sections))

    def __getitem__(self, name: str) -> Plan:
        """The experiment with results in ``results/<name>``."""
        if name not in self._by_name:
            plan = self._add(find_experiment(name))
            if plan.name != name:
                raise ConfigError(
                    f"{plan.path}: run_params.experiment_name: {plan.name!r}: its results lie in "
                    f"results/{plan.name}; request results/{plan.name}/…"
                )
        if name not in self._imported and name not in self.pinned:
            self._by_name[name].import_own_models()
            self._imported.add(name)
        return self._by_name[name]

    @cached_property
    def _listed(self) -> list[Experiment]:
        """The default experiment and all valid ones in ``config/``."""
        plans = [self.default.experiment]
        for path in sorted(Path(CONFIG_DIR).glob("*.yaml")):
            if path == self.default.path:
                continue
            try:
                plans.append(parse_experiment(load_experiment(path)))
            except UserError:
                continue  # an invalid file that this call does not need
        return plans

    @cached_property
    def names_with_cycles(self) -> list[str]:
        """Experiments with several hybrid cycles: the default one and all in ``config/``."""
        return sorted({each.name for each in self._listed if num_cycles(each) > 1})

    @cached_property
    def names_with_reuse(self) -> list[str]:
        """Experiments that take over another one's calibration."""
        return sorted({each.name for each in self._listed if each.reuse is not None})

    def run_pattern(self) -> str:
        """Regular expression of the runs that stages train in.

        With several cycles nothing is trained in the experiment's own folder, which receives the
        last cycle's results.
        """
        with_cycles = _any_of(self.names_with_cycles)
        return rf"(?!(?:{with_cycles})/(?!cycle_)){self.experiment_pattern()}{RUN_FOLDERS}"

    def calibrating_pattern(self) -> str:
        """Regular expression of the runs with a calibration of their own."""
        return f"(?!{_any_of(self.names_with_reuse)}/){self.run_pattern()}"

    def reuse_pattern(self) -> str:
        """Regular expression of the experiments that take over another one's calibration."""
        return f"(?!{_any_of(self.pinned)}/)(?:{_any_of(self.names_with_reuse)})"

    def hybrid_pattern(self) -> str:
        """Regular expression of the experiments with several cycles."""
        return f"(?!{_any_of(self.pinned)}/)(?:{_any_of(self.names_with_cycles)})"

    def experiment_pattern(self) -> str:
        """Regular expression of the experiments that rules compute: all except pinned ones."""
        return f"(?!{_any_of(self.pinned)}/){EXPERIMENT_NAME}"

    def by_directory(self, attribute: str, directory: str) -> Plan:
        """The experiment with this folder as its ``cache_dir`` or ``raw_dir`` (``attribute``)."""
        for plan in self._by_name.values():
            if getattr(plan, attribute) == directory:
                return plan
        for path in sorted(Path(CONFIG_DIR).glob("*.yaml")):
            try:
                if not _may_have(load_experiment(path), directory):
                    continue
                plan = self._add(path)
            except UserError:
                continue  # an invalid file that this call does not need
            if getattr(plan, attribute) == directory:
                return plan
        raise ConfigError(f"{directory}: no experiment in {CONFIG_DIR}/ has this folder")

    def _add(self, path: Path, overrides: Iterable[str] = ()) -> Plan:
        plan = Plan(path, self._claim, overrides, self.pinned)
        for other in self._by_name.values():
            if other.cache_dir == plan.cache_dir and other.reading != plan.reading:
                # a dry run marks no folder; the first experiment gets it
                plan.cache_dir = f"{plan.cache_dir}/{plan.reading}"
                break
        if plan.experiment.reuse is not None and plan.name not in self.pinned:
            plan.reused = self._reused(plan)
        known = self._by_name.setdefault(plan.name, plan)
        if known.path != path:
            raise ConfigError(
                f"{path}: run_params.experiment_name: {plan.name!r}: also the name of {known.path}"
            )
        made = [each for each in self._by_name.values() if each.name not in self.pinned]
        for other in made if plan.name not in self.pinned else []:
            self._refuse_conflict(plan, other)
        return known

    def _reused(self, plan: Plan) -> Plan:
        """The experiment whose calibration another one takes over, checked to be the same."""
        assert plan.experiment.reuse is not None
        try:
            path = find_experiment(plan.experiment.reuse)
        except ConfigError as error:
            raise ConfigError(f"{plan.path}: reuse: {error}") from None
        if path.resolve() == plan.path.resolve():
            raise ConfigError(
                f"{plan.path}: reuse: {plan.experiment.reuse}: is this experiment; name another one"
            )
        refuse_chain(plan, path)
        source = self._add(path)
        check_shared_stages(plan, source)
        return source

    @staticmethod
    def _refuse_conflict(plan: Plan, other: Plan) -> None:
        """Reject two experiments that simulate different data into the same folder."""
        if plan.raw_dir != other.raw_dir:
            return
        if plan.is_generated != other.is_generated or (
            plan.is_generated and plan.settings("simulate") != other.settings("simulate")
        ):
            raise ConfigError(
                f"{plan.path}: generation_params: differ from {other.path}, which has the "
                f"same raw folder {plan.raw_dir}; give one of them another data.dset_name"
            )


def _may_have(config: Mapping[str, Any], directory: str) -> bool:
    """True if a folder is that of the experiment's raw files, or that of its cache or in it."""
    experiment = parse_experiment(config)
    cache = os.path.normpath(experiment.cache_root / experiment.data.dset_name)
    raw = os.path.normpath(experiment.raw_dir)
    return directory in (raw, cache) or directory.startswith(f"{cache}/")


def _any_of(names: Iterable[str]) -> str:
    """Regular expression that matches one of the names, and nothing if there are none."""
    return f"(?:{'|'.join(re.escape(name) for name in names) or '(?!)'})"
