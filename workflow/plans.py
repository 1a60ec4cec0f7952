"""The experiments that one call of Snakemake touches."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from src.config import load_experiment, parse_experiment
from src.config.derived import num_cycles
from src.config.loading import CONFIG_DIR, as_overrides, default_experiment, find_experiment
from src.errors import ConfigError, UserError
from workflow.plan import Plan
from workflow.runs import RUN_FOLDERS

EXPERIMENT_NAME = r"[A-Za-z0-9][A-Za-z0-9_.\-]*"


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

    @cached_property
    def names_with_cycles(self) -> list[str]:
        """Experiments of more than one hybrid cycle, the default one and those in the folder."""
        plans = [self.default.experiment]
        for path in sorted(Path(CONFIG_DIR).glob("*.yaml")):
            if path == self.default.path:
                continue
            try:
                plans.append(parse_experiment(load_experiment(path)))
            except UserError:
                continue  # whatever is wrong with a neighbour, nobody asked for it
        return sorted({each.name for each in plans if num_cycles(each) > 1})

    def run_pattern(self) -> str:
        """Regular expression of the runs that stages train in.

        With more than one cycle nothing is trained in the experiment's own folder, which takes the
        last cycle's results.
        """
        with_cycles = "|".join(re.escape(name) for name in self.names_with_cycles)
        not_there = rf"(?!(?:{with_cycles})/(?!cycle_))" if with_cycles else ""
        return f"{not_there}{EXPERIMENT_NAME}{RUN_FOLDERS}"

    def hybrid_pattern(self) -> str:
        """Regular expression of the experiments of more than one cycle."""
        return "|".join(re.escape(name) for name in self.names_with_cycles) or "(?!)"

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
