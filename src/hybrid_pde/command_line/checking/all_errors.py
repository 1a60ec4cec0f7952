"""All errors of an experiment: those of one kind do not hide the others."""

import re
from pathlib import Path
from typing import Any

from hybrid_pde.config.checks.consistency import check_experiment
from hybrid_pde.config.loading import keys_written, parse_experiment
from hybrid_pde.config.schema import Experiment
from hybrid_pde.config.yaml_file import read_yaml
from hybrid_pde.data.cache.raw_index import build_index
from hybrid_pde.data.plan_checks import check_data
from hybrid_pde.errors import ConfigError, UserError
from hybrid_pde.models.user_models import try_own_equation
from hybrid_pde.workflow.requested_experiments import RequestedExperiments

_PARSED = "config: "  # with which the lines of a parsed mapping begin
_ROUNDS = 3  # of removing keys with errors; a key can hide another one in its section
_KEY = re.compile(r"[^.\[\]]+")
_ABSENT = object()


def errors_of(path: Path) -> list[str]:
    """Lines ``file: key: value: what is allowed`` of all errors; empty if there are none.

    Keys with errors in their values are left out, and the rest of the experiment is checked
    without them, also against its data.

    Raises:
        ConfigError: if the file cannot be read at all.
    """
    experiment, lines = _parsed(path)
    removed = [line.removeprefix(f"{path}: ").partition(": ")[0] for line in lines]
    if experiment is not None:
        found = _found(lambda: check_experiment(experiment, str(path)))
        if not found or lines:
            found += _found(lambda: _check_data(experiment, path))
        lines += [line for line in found if not _follows_from(line, path, removed)]
    if not lines:
        lines = _found(lambda: _check_as_planned(path))
    written = keys_written(path, ())
    return list(dict.fromkeys(written.message(line) for line in lines))


def _parsed(path: Path) -> tuple[Experiment | None, list[str]]:
    """The experiment without its invalid keys, if that is one, and their errors."""
    raw: dict[str, Any] = read_yaml(path)
    if isinstance(run := raw.setdefault("run_params", {}), dict):
        run.setdefault("experiment_name", path.stem)
    lines: list[str] = []
    for _ in range(_ROUNDS):
        try:
            return parse_experiment(raw), lines
        except ConfigError as error:
            found = str(error).split("\n")
        known = [line.partition(": ")[0] for line in lines]
        keys = [line.removeprefix(_PARSED).partition(": ")[0] for line in found]
        fresh = [
            f"{path}: {line.removeprefix(_PARSED)}"
            for line, key in zip(found, keys, strict=True)
            if key not in known
        ]
        lines += [line for line in fresh if line not in lines]
        if not [key for key in keys if _remove(raw, key)]:
            break
    return None, lines


def _remove(raw: dict[str, Any], key: str) -> bool:
    """Remove a dotted key, in a stage's section or flat; false if there is none."""
    parts = _KEY.findall(key)
    flat = [parts[0], *parts[2:]] if parts[:1] == ["trainer_params"] and len(parts) > 2 else []
    return any(_remove_parts(raw, each) for each in (parts, flat) if each)


def _remove_parts(raw: Any, parts: list[str]) -> bool:
    *sections, last = parts
    for section in sections:
        if not isinstance(raw, dict) or section not in raw:
            return False
        if isinstance(raw[section], list):  # an entry is not valid: leave out the list
            return raw.pop(section) is not None
        raw = raw[section]
    return isinstance(raw, dict) and raw.pop(last, _ABSENT) is not _ABSENT


def _follows_from(line: str, path: Path, removed: list[str]) -> bool:
    """True if an error is about a key that was left out, or one within it."""
    key = _plain(line.removeprefix(f"{path}: ").partition(": ")[0])
    return any(key == each or key.startswith(f"{each}.") for each in map(_plain, removed))


def _plain(key: str) -> str:
    """A key without the stage and without positions in lists."""
    key = re.sub(r"\[\d+\].*", "", key)
    return re.sub(r"^trainer_params\.(physical|synthetic)\.", "trainer_params.", key)


def _check_data(experiment: Experiment, path: Path) -> None:
    index = None
    if experiment.generation_params is None:
        index = build_index(experiment, strict=False)
    check_data(experiment, str(path), index)


def _check_as_planned(path: Path) -> None:
    """Check as Snakemake does: names, folders, user-defined models, reused experiments."""
    requested = RequestedExperiments({"experiment": str(path)}, claim=False)
    plan = requested.default
    plan.import_own_models()
    if not plan.is_generated:
        try_own_equation(plan.experiment, plan.index.grid, plan.index.layouts)


def _found(check) -> list[str]:  # type: ignore[no-untyped-def]
    """Lines of the error of a check."""
    try:
        check()
    except UserError as error:
        return str(error).split("\n")
    return []
