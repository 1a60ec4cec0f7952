"""Check that an experiment may take over another one's calibration and generated simulations."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hybrid_pde.config import load_experiment
from hybrid_pde.config.derived import is_augmented, num_cycles
from hybrid_pde.config.error_messages import raise_errors
from hybrid_pde.errors import ConfigError
from hybrid_pde.workflow.plan import Plan

_ABSENT = "nothing"


def refuse_chain(plan: Plan, source: Path) -> None:
    """Reject an experiment that itself takes over a calibration.

    Raises:
        ConfigError: naming the experiment with the calibration.
    """
    further = load_experiment(source)["reuse"]
    if further is not None:
        raise ConfigError(
            f"{plan.path}: reuse: {plan.experiment.reuse}: takes over the results of {further} "
            f"itself; write reuse: {further}"
        )


def check_shared_stages(plan: Plan, source: Plan) -> None:
    """Check that both experiments have the same data, calibration and generated simulations.

    Args:
        plan: The experiment with ``reuse``.
        source: The one whose results it takes over.

    Raises:
        ConfigError: with a line for each setting that differs.
    """
    differing = dict(_differences(plan, source))
    raise_errors(
        str(plan.path),
        (
            f"reuse: {plan.experiment.reuse}: {key}: {here} here, {there} in {source.path}; the "
            f"stage {stage} is shared, so give both the same value, or remove reuse"
            for key, (stage, here, there) in differing.items()
        ),
    )


def _differences(plan: Plan, source: Plan) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Settings of shared stages that differ: key, and stage and both values."""
    for key, stage, here, there in (
        ("run_params.model_type", "train_physical", *_of_both(plan, source, _kind)),
        ("hybrid.cycles", "train_physical", *_of_both(plan, source, _cycles)),
        ("data.data_dir, data.dset_name", "cache", plan.raw_dir, source.raw_dir),
        ("data.cache_dir", "cache", plan.cache_dir, source.cache_dir),
    ):
        if here != there:
            yield key, (stage, here, there)
    if plan.is_generated != source.is_generated:
        yield "generation_params", ("simulate", *_of_both(plan, source, _generated))
        return
    stages = ["simulate"] * plan.is_generated + ["cache"]
    if _kind(source) != "synthetic":
        stages.append("train_physical")
    if is_augmented(plan.experiment):
        yield from _of_augmentation(plan, source)
        stages += ["augment"] * is_augmented(source.experiment)
    for stage in stages:
        own, other = (_flat(json.loads(each.settings(stage))) for each in (plan, source))
        for key in dict.fromkeys([*own, *other]):
            if own.get(key, _ABSENT) != other.get(key, _ABSENT):
                yield key, (stage, own.get(key, _ABSENT), other.get(key, _ABSENT))


def _of_augmentation(plan: Plan, source: Plan) -> Iterator[tuple[str, tuple[str, str, str]]]:
    if not is_augmented(source.experiment):
        yield "augmentation.enabled", ("augment", "true", "false")
    sections = [each.experiment.augmentation for each in (plan, source)]
    for key in ("num_simulations", "max_left_out"):
        here, there = (str(getattr(section, key)) for section in sections)
        if here != there:
            yield f"augmentation.{key}", ("augment", here, there)


def _of_both(plan: Plan, source: Plan, value) -> tuple[str, str]:  # type: ignore[no-untyped-def]
    return value(plan), value(source)


def _kind(plan: Plan) -> str:
    return plan.experiment.run_params.model_type


def _generated(plan: Plan) -> str:
    return "present" if plan.is_generated else "absent"


def _cycles(plan: Plan) -> str:
    return str(num_cycles(plan.experiment))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Values by dotted key, as text."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = json.dumps(value, ensure_ascii=False)
    return found
