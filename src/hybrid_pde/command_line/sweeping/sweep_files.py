"""Experiment files of a sweep, which share data, calibration and generated data where they can."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from hybrid_pde.command_line.sweeping.combinations import combinations
from hybrid_pde.config.derived import is_augmented, num_cycles
from hybrid_pde.config.loading import (
    CONFIG_DIR,
    STAGES,
    apply_overrides,
    find_experiment,
    load_experiment,
    parse_experiment,
)
from hybrid_pde.config.names_of_values import name_of_values
from hybrid_pde.config.schema import Experiment
from hybrid_pde.config.yaml_file import read_yaml
from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import ConfigError, UserError
from hybrid_pde.workflow.stage_settings import stage_settings

NAME = "run_params.experiment_name"


def write_sweep(experiment: str, assignments: Sequence[str], folder: Path) -> dict[Path, str]:
    """Write an experiment file for each combination of values.

    Those that have the data, the calibration and the generated simulations in common with the
    given experiment reuse its results.

    Args:
        experiment: Name or path of the experiment.
        assignments: ``key=v1,v2,…`` each.
        folder: Folder of the files.

    Returns:
        Name of the experiment of each file.

    Raises:
        ConfigError: with a line for each combination that is not valid, or if a file exists with
            another content; then none is written.
    """
    path = find_experiment(experiment)
    base = parse_experiment(load_experiment(path))
    texts: dict[Path, str] = {}
    names: dict[Path, str] = {}
    errors: list[str] = []
    for overrides in combinations(assignments):
        name = f"{base.name}-{name_of_values(overrides)}"
        file = folder / f"{name}.yaml"
        try:
            changed = parse_experiment(load_experiment(path, [*overrides, f"{NAME}='{name}'"]))
        except UserError as error:
            errors.append(f"{', '.join(overrides)}: {error}")
            continue
        reused = _reused(path, base) if _is_shared(base, changed) else None
        texts[file] = _text(path, overrides, name, reused)
        names[file] = name
    errors += [
        f"{file}: exists with another content; remove it, or choose another folder with --output"
        for file, text in texts.items()
        if file.exists() and read_small_text(file) != text
    ]
    if errors:
        raise ConfigError("\n".join(errors))
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        with atomic_path(file) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return names


def _is_shared(base: Experiment, changed: Experiment) -> bool:
    """True if all stages before the surrogate's training have the same settings in both."""
    both = (base, changed)
    if any(each.run_params.model_type != "hybrid" or num_cycles(each) > 1 for each in both):
        return False
    stages = ["cache", "train_physical"]
    if base.generation_params is not None and changed.generation_params is not None:
        stages.append("simulate")
    elif base.generation_params is not changed.generation_params:
        return False
    sections = [each.augmentation for each in both]
    if is_augmented(changed):
        if not is_augmented(base) or any(
            getattr(sections[0], key) != getattr(sections[1], key)
            for key in ("num_simulations", "max_left_out")
        ):
            return False
        stages.append("augment")
    places = [(each.raw_dir, each.cache_root) for each in both]
    return places[0] == places[1] and all(
        json.loads(stage_settings(base, stage)) == json.loads(stage_settings(changed, stage))
        for stage in stages
    )


def _reused(path: Path, base: Experiment) -> str:
    """Value of ``reuse`` for the base experiment, or for the one that it reuses itself."""
    if base.reuse is not None:
        return base.reuse
    is_listed = path.parent == Path(CONFIG_DIR) and path.stem == base.name
    return base.name if is_listed else str(path)


def _text(path: Path, overrides: Sequence[str], name: str, reused: str | None) -> str:
    """The experiment's file with the values of one combination; comments are not kept."""
    raw = copy.deepcopy(read_yaml(path))
    for override in overrides:
        apply_overrides(raw, [override])
        _prefer_flat(raw, override.partition("=")[0])
    apply_overrides(raw, [f"{NAME}='{name}'"])
    raw.pop("reuse", None)
    content = ({"reuse": reused} if reused is not None else {}) | raw
    head = f"# {path} with {', '.join(overrides)}; written by hybrid-pde sweep\n"
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _prefer_flat(raw: dict[str, Any], key: str) -> None:
    """Remove a training setting from the stages' sections where it was given for all of them."""
    first, _, last = key.partition(".")
    if first != "trainer_params" or "." in last:
        return
    for stage in STAGES:
        if isinstance(section := raw[first].get(stage), dict) and last not in STAGES:
            section.pop(last, None)
