"""Loading of experiment files, shared by Snakemake, ``run.py`` and the library."""

import copy
import datetime
import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from hybrid_pde.config.checks.consistency import check_experiment
from hybrid_pde.config.error_messages import format_validation_error
from hybrid_pde.config.safe_names import shortened
from hybrid_pde.config.schema import (
    Experiment,
    PhysicalTraining,
    SharedTraining,
    SyntheticTraining,
)
from hybrid_pde.config.written_keys import WrittenKeys, keys_as_written
from hybrid_pde.config.yaml_file import parse_yaml, read_yaml
from hybrid_pde.errors import ConfigError

CONFIG_DIR = "config"
STAGES: dict[str, type[SharedTraining]] = {
    "physical": PhysicalTraining,
    "synthetic": SyntheticTraining,
}
SHARED = set(SharedTraining.model_fields)


def load_experiment(name_or_path: str | Path, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """Load an experiment file as a plain mapping with all defaults filled in.

    Args:
        name_or_path: ``burgers_2d`` for ``config/burgers_2d.yaml``, or the path of a YAML file.
        overrides: Settings ``key.subkey=value`` that take precedence over the file.

    Raises:
        ConfigError: with file, key, value, and what is allowed.
    """
    return to_mapping(_load(find_experiment(name_or_path), list(overrides)))


def keys_written(path: Path, overrides: Iterable[str]) -> WrittenKeys:
    """The keys of an experiment file and of the settings that override it, for error messages."""
    raw = read_yaml(path)
    return WrittenKeys(raw, apply_overrides(raw, overrides), str(path))


def _load(path: Path, overrides: Sequence[str]) -> Experiment:
    raw = read_yaml(path)
    overridden = apply_overrides(raw, overrides)
    with keys_as_written(lambda: keys_written(path, overrides)):
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
    return experiment


def parse_experiment(config: Mapping[str, Any] | Experiment) -> Experiment:
    """Convert a mapping, possibly partial, to a typed experiment.

    Raises:
        ConfigError: with key, value, and what is allowed.
    """
    if isinstance(config, Experiment):
        return config
    return _parse(copy.deepcopy(dict(config)), "config", set())


def to_mapping(experiment: Experiment) -> dict[str, Any]:
    """Convert an experiment to plain types; :func:`parse_experiment` is the inverse.

    Trainer settings are flat for an experiment with one model, and in one section per stage if
    both models are trained.
    """
    mapping = experiment.model_dump(mode="json")
    mapping["data"]["cache_dir"] = experiment.data.cache_dir or str(
        Path(experiment.data.data_dir) / "cache"
    )
    stage = experiment.run_params.model_type
    if stage != "hybrid":
        mapping["trainer_params"] = mapping["trainer_params"][stage]
    return mapping


def find_experiment(name_or_path: object) -> Path:
    """Path of the experiment file.

    Raises:
        ConfigError: if it is neither a name nor a path, or does not exist; the message lists the
            available experiments.
    """
    if isinstance(name_or_path, int | float | datetime.date):
        name_or_path = str(name_or_path)  # a name such as 2020-01-01, read as YAML
    if not isinstance(name_or_path, str | Path):
        raise ConfigError(
            f"experiment: {name_or_path!r:.80}: must be the name of an experiment, or the path of "
            "its YAML file"
        )
    given = Path(name_or_path)
    if given.suffix in {".yaml", ".yml"}:
        candidates = [given]
    else:
        candidates = [Path(CONFIG_DIR) / f"{given}.yaml", _project_config_dir() / f"{given}.yaml"]
    for path in candidates:
        try:
            if path.is_file():
                return path
        except OSError as error:  # e.g. a name that is too long
            raise ConfigError(
                f"experiment: {shortened(str(name_or_path))!r}: {error.strerror}"
            ) from None
    found = (path.stem for path in candidates[0].parent.glob("*.yaml"))
    known = sorted(name for name in found if name != "config")  # which names the default one
    near = difflib.get_close_matches(given.stem, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"experiment: {shortened(str(name_or_path))!r}: there is no file {candidates[0]}; {hint}"
        f"available in {candidates[0].parent}: {', '.join(known) or 'none'}"
    )


def as_overrides(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Flatten nested settings to a list of ``key.subkey=value``."""
    overrides: list[str] = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            overrides += as_overrides(value, f"{prefix}{key}.")
        else:
            overrides.append(f"{prefix}{key}={yaml.safe_dump(value, default_flow_style=True)}")
    return overrides


def default_experiment() -> str:
    """Name of the default experiment, from ``config/config.yaml``.

    Raises:
        ConfigError: if the file does not name one.
    """
    path = find_experiment("config")
    name = read_yaml(path).get("experiment")
    if not isinstance(name, str):
        raise ConfigError(
            f"{path}: experiment: {name!r}: must be the name of the default experiment"
        )
    return name


def keys_by_section() -> dict[str, list[str]]:
    """Allowed keys of each section, by the section's dotted path."""
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
        del raw[section]  # an empty section takes its defaults
    if isinstance(run, dict) and run.get("model_type") is None:
        run["model_type"] = _implied_model_type(raw.get("model"))
    trainer = raw.get("trainer_params")
    if isinstance(trainer, dict) and isinstance(run, dict):
        raw["trainer_params"] = _distribute_to_stages(
            trainer, str(run["model_type"]), source, overridden
        )
    _order_channels(raw)
    try:
        return Experiment.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(format_validation_error(error, source, keys_by_section())) from None


def _order_channels(raw: dict[str, Any]) -> None:
    """Order the surrogate's fields as in ``data.fields``, whatever the order of its specs."""
    data, model = raw.get("data"), raw.get("model")
    section = model.get("synthetic") if isinstance(model, dict) else None
    fields = data.get("fields") if isinstance(data, dict) else None
    if not (isinstance(section, dict) and isinstance(fields, list)):
        return
    for key in ("input_specs", "output_specs"):
        if isinstance(specs := section.get(key), dict):
            known = [name for name in fields if isinstance(name, str) and name in specs]
            section[key] = {name: specs[name] for name in [*known, *specs]}


def _implied_model_type(model: Any) -> str:
    """The model type implied by the models in the file."""
    given = [stage for stage in STAGES if isinstance(model, dict) and model.get(stage)]
    return given[0] if len(given) == 1 else "hybrid"


def _distribute_to_stages(
    trainer: dict[str, Any], model_type: str, source: str, overridden: set[str]
) -> dict[str, Any]:
    """Move flat trainer settings into the sections of the stages that use them."""
    for stage in STAGES:
        if not isinstance(given := trainer.get(stage) or {}, dict):
            raise ConfigError(
                f"{source}: trainer_params.{stage}: {given!r:.80}: must be a section of settings"
            )
    sections = {stage: dict(trainer.get(stage) or {}) for stage in STAGES}
    result: dict[str, Any] = {}
    for key, value in trainer.items():
        if key in STAGES:
            continue
        stages = _stages_of(key, model_type)
        if key in SHARED or not stages:
            result[key] = value  # the schema rejects keys that no stage has
            if value is None:  # each stage has its own default
                continue
        flat_wins = f"trainer_params.{key}" in overridden
        for stage in stages:
            section_wins = f"trainer_params.{stage}.{key}" in overridden
            twice = key in sections[stage] and not (flat_wins or section_wins)
            if twice and key not in SHARED:
                raise ConfigError(
                    f"{source}: trainer_params.{key}: {value!r}: given here and in "
                    f"trainer_params.{stage}.{key} ({sections[stage][key]!r}); keep only one of "
                    "them"
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


def apply_overrides(raw: dict[str, Any], overrides: Iterable[str]) -> set[str]:
    """Apply settings ``key.subkey=value`` to the raw mapping; returns the keys set."""
    written = set()
    for override in overrides:
        key, equals, text = override.lstrip("+").partition("=")
        if not equals or not key:
            raise ConfigError(f"override {override!r}: must have the form key.subkey=value")
        try:
            value = parse_yaml(text)
        except ValueError as error:
            raise ConfigError(
                f"override {shortened(override)!r}: {shortened(text)!r} is not a valid YAML value: "
                f"{error}"
            ) from None
        *sections, last = key.split(".")
        target = raw
        for section in sections:
            if target.get(section) is None:
                target[section] = {}
            target = target[section]
            if not isinstance(target, dict):
                raise ConfigError(
                    f"override {override!r}: {section!r} is a value, not a section, and has no keys"
                )
        target[last] = value
        written.add(key)
    return written


def _keys_of(model: type[BaseModel], prefix: str) -> dict[str, list[str]]:
    keys = {prefix: sorted(info.alias or name for name, info in model.model_fields.items())}
    for name, info in model.model_fields.items():
        dotted = f"{prefix}.{name}" if prefix else name
        nested = _models_in(info.annotation)
        if len(nested) > 1:  # a section with several types, selected by its key `type`
            keys[dotted] = ["type"]
        for each in nested:
            kind = f".{each.model_fields['type'].default}" if len(nested) > 1 else ""
            keys |= _keys_of(each, dotted + kind)
    return keys


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
