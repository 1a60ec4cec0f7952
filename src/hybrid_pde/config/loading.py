"""Reads an experiment file; Snakemake, ``run.py`` and the library all come through here."""

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from hybrid_pde.config.checks.consistency import check_experiment
from hybrid_pde.config.error_messages import describe
from hybrid_pde.config.schema import (
    Experiment,
    PhysicalTraining,
    SharedTraining,
    SyntheticTraining,
)
from hybrid_pde.config.yaml_file import read_yaml
from hybrid_pde.errors import ConfigError

CONFIG_DIR = "config"
STAGES: dict[str, type[SharedTraining]] = {
    "physical": PhysicalTraining,
    "synthetic": SyntheticTraining,
}
SHARED = set(SharedTraining.model_fields)


def load_experiment(name_or_path: str | Path, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """The experiment of a file as a plain mapping with every default filled in.

    Args:
        name_or_path: ``burgers_2d`` for ``config/burgers_2d.yaml``, or the path of a YAML file.
        overrides: ``key.subkey=value`` each; they win over the file.

    Raises:
        ConfigError: naming file, key, value, and what is allowed.
    """
    path = find_experiment(name_or_path)
    raw = read_yaml(path)
    overridden = _apply_overrides(raw, overrides)
    raw.setdefault("run_params", {})
    if isinstance(raw["run_params"], dict):
        raw["run_params"].setdefault("experiment_name", path.stem)
    experiment = _parse(raw, str(path), overridden)
    try:
        check_experiment(experiment, str(path))
    except ConfigError as error:
        if str(path) in str(error):
            raise
        raise ConfigError(f"{path}: {error}") from None
    return to_mapping(experiment)


def parse_experiment(config: Mapping[str, Any] | Experiment) -> Experiment:
    """A mapping, possibly partial, as a typed experiment.

    Raises:
        ConfigError: naming the key, the value, and what is allowed.
    """
    if isinstance(config, Experiment):
        return config
    return _parse(copy.deepcopy(dict(config)), "config", set())


def to_mapping(experiment: Experiment) -> dict[str, Any]:
    """The experiment as plain types; :func:`parse_experiment` gives the same one back.

    Trainer settings are flat for an experiment of one model, and in a section for each stage
    where both models are trained.
    """
    mapping = experiment.model_dump(mode="json")
    mapping["data"]["cache_dir"] = experiment.data.cache_dir or str(
        Path(experiment.data.data_dir) / "cache"
    )
    stage = experiment.run_params.model_type
    if stage != "hybrid":
        mapping["trainer_params"] = mapping["trainer_params"][stage]
    return mapping


def find_experiment(name_or_path: str | Path) -> Path:
    """Path of the experiment file.

    Raises:
        ConfigError: if there is none, naming those that there are.
    """
    given = Path(name_or_path)
    if given.suffix in {".yaml", ".yml"}:
        candidates = [given]
    else:
        candidates = [Path(CONFIG_DIR) / f"{given}.yaml", _project_config_dir() / f"{given}.yaml"]
    for path in candidates:
        if path.is_file():
            return path
    known = sorted(path.stem for path in candidates[0].parent.glob("*.yaml"))
    raise ConfigError(
        f"experiment: {str(name_or_path)!r}: no file {candidates[0]}; "
        f"there are {', '.join(known) or 'none'} in {candidates[0].parent}"
    )


def as_overrides(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Nested settings as a list of ``key.subkey=value``."""
    overrides: list[str] = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            overrides += as_overrides(value, f"{prefix}{key}.")
        else:
            overrides.append(f"{prefix}{key}={yaml.safe_dump(value, default_flow_style=True)}")
    return overrides


def default_experiment() -> str:
    """The experiment that ``config/config.yaml`` names.

    Raises:
        ConfigError: if it names none.
    """
    path = find_experiment("config")
    name = read_yaml(path).get("experiment")
    if not isinstance(name, str):
        raise ConfigError(f"{path}: experiment: {name!r}: it names the default experiment")
    return name


def keys_by_section() -> dict[str, list[str]]:
    """Allowed keys of every section, by the section's dotted path."""
    keys = _keys_of(Experiment, "")
    stage_keys = {name for stage in STAGES.values() for name in stage.model_fields}
    keys["trainer_params"] = sorted({*keys["trainer_params"], *stage_keys})
    return keys


def _project_config_dir() -> Path:
    return Path(__file__).resolve().parents[3] / CONFIG_DIR


def _parse(raw: dict[str, Any], source: str, overridden: set[str]) -> Experiment:
    run = raw.get("run_params")
    if run is None:
        run = raw["run_params"] = {}
    for section in [key for key, value in raw.items() if value is None]:
        del raw[section]  # an empty section means its defaults
    if isinstance(run, dict) and run.get("model_type") is None:
        run["model_type"] = _model_type(raw.get("model"))
    trainer = raw.get("trainer_params")
    if isinstance(trainer, dict) and isinstance(run, dict):
        raw["trainer_params"] = _distribute(trainer, str(run["model_type"]), source, overridden)
    _order_channels(raw)
    try:
        return Experiment.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(describe(error, source, keys_by_section())) from None


def _order_channels(raw: dict[str, Any]) -> None:
    """Let the surrogate's channels follow ``data.fields``, whatever the order of its specs."""
    data, model = raw.get("data"), raw.get("model")
    section = model.get("synthetic") if isinstance(model, dict) else None
    fields = data.get("fields") if isinstance(data, dict) else None
    if not (isinstance(section, dict) and isinstance(fields, list)):
        return
    for key in ("input_specs", "output_specs"):
        if isinstance(specs := section.get(key), dict):
            known = [name for name in fields if isinstance(name, str) and name in specs]
            section[key] = {name: specs[name] for name in [*known, *specs]}


def _model_type(model: Any) -> str:
    """The type that the models given imply."""
    given = [stage for stage in STAGES if isinstance(model, dict) and model.get(stage)]
    return given[0] if len(given) == 1 else "hybrid"


def _distribute(
    trainer: dict[str, Any], model_type: str, source: str, overridden: set[str]
) -> dict[str, Any]:
    """Sort flat trainer settings into the sections of the stages that use them."""
    for stage in STAGES:
        if not isinstance(given := trainer.get(stage) or {}, dict):
            raise ConfigError(
                f"{source}: trainer_params.{stage}: {given!r:.80}: a section of settings"
            )
    sections = {stage: dict(trainer.get(stage) or {}) for stage in STAGES}
    result: dict[str, Any] = {}
    for key, value in trainer.items():
        if key in STAGES:
            continue
        stages = _stages_of(key, model_type)
        if key in SHARED or not stages:
            result[key] = value  # the schema refuses a key that no stage has
        flat_wins = f"trainer_params.{key}" in overridden
        for stage in stages:
            section_wins = f"trainer_params.{stage}.{key}" in overridden
            twice = key in sections[stage] and not (flat_wins or section_wins)
            if twice and key not in SHARED:
                raise ConfigError(
                    f"{source}: trainer_params.{key}: {value!r}: given here and in "
                    f"trainer_params.{stage}.{key} ({sections[stage][key]!r}); keep one of them"
                )
            if flat_wins:
                sections[stage][key] = value
            else:
                sections[stage].setdefault(key, value)
    return result | sections


def _stages_of(key: str, model_type: str) -> list[str]:
    having = [stage for stage, section in STAGES.items() if key in section.model_fields]
    if key in SHARED:
        return having
    return [stage for stage in having if model_type in (stage, "hybrid")] or having


def _apply_overrides(raw: dict[str, Any], overrides: Iterable[str]) -> set[str]:
    """Write ``key.subkey=value`` into the raw mapping; returns the keys written."""
    written = set()
    for override in overrides:
        key, equals, text = override.lstrip("+").partition("=")
        if not equals or not key:
            raise ConfigError(f"override {override!r}: an override has the form key.subkey=value")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"override {override!r}: {text!r} is no YAML value") from None
        *sections, last = key.split(".")
        target = raw
        for section in sections:
            if target.get(section) is None:
                target[section] = {}
            target = target[section]
            if not isinstance(target, dict):
                raise ConfigError(f"override {override!r}: {section!r} has no keys of its own")
        target[last] = value
        written.add(key)
    return written


def _keys_of(model: type[BaseModel], prefix: str) -> dict[str, list[str]]:
    keys = {prefix: sorted(model.model_fields)}
    for name, info in model.model_fields.items():
        dotted = f"{prefix}.{name}" if prefix else name
        nested = _models_in(info.annotation)
        if len(nested) > 1:  # the kinds of one section, told apart by its type
            keys[dotted] = ["type"]
        for each in nested:
            kind = f".{each.model_fields['type'].default}" if len(nested) > 1 else ""
            keys |= _keys_of(each, dotted + kind)
    return keys


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
