"""Checks that the sections of an experiment are consistent with each other."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.config.checks.augmentation import augmentation_errors
from hybrid_pde.config.checks.calibration import calibration_errors, unknowns_errors
from hybrid_pde.config.checks.data import simulation_errors
from hybrid_pde.config.checks.equation import (
    domain_errors,
    equation_errors,
    parameter_range_errors,
    parameter_value_errors,
)
from hybrid_pde.config.checks.hybrid import hybrid_errors
from hybrid_pde.config.checks.per_simulation import context_errors, per_simulation_errors
from hybrid_pde.config.checks.surrogate import surrogate_errors
from hybrid_pde.config.checks.training import training_errors
from hybrid_pde.config.derived import equation_of, generated_fields, stages_trained
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.error_messages import raise_errors, suggest, suggest_model
from hybrid_pde.config.schema import Experiment, GaussianBumps

NAMED_SIDES = ("periodic", "zero-gradient")
SIDES_ALLOWED = "allowed: periodic, zero-gradient or a number, for all axes, per axis or per side"


def check_experiment(experiment: Experiment, source: str) -> None:
    """Check that the sections of an experiment are consistent.

    Args:
        experiment: The typed experiment.
        source: File of the experiment, for error messages.

    Raises:
        ConfigError: with a line for each inconsistency.
    """
    raise_errors(source, _consistency_errors(experiment))


def _consistency_errors(experiment: Experiment) -> Iterator[str]:
    if not experiment.data.dset_name:
        yield "data.dset_name: missing; name the folder of the raw files in data.data_dir"
    if not experiment.data.fields:
        yield "data.fields: missing; list the fields to read"
    for name in experiment.data.variables:
        if name not in experiment.data.fields:
            known = suggest(name, experiment.data.fields)
            yield f"data.variables.{name}: not in data.fields: {known}"
    for stage in stages_trained(experiment):
        if getattr(experiment.model, stage) is None:
            kind = experiment.run_params.model_type
            yield f"model.{stage}: missing; required by run_params.model_type: {kind}"
            return
        yield from _split_errors(experiment, stage)
        yield from _module_errors(experiment, stage)
    if "physical" in stages_trained(experiment):
        yield from calibration_errors(experiment)
        yield from per_simulation_errors(experiment)
        yield from equation_errors(experiment)
    if "synthetic" in stages_trained(experiment):
        yield from surrogate_errors(experiment)
        yield from training_errors(experiment)
        yield from augmentation_errors(experiment)
    yield from hybrid_errors(experiment)
    if experiment.generation_params is not None:
        yield from _generation_errors(experiment)
        generation = experiment.generation_params
        frames = [generation.steps + 1] * generation.num_simulations
        yield from simulation_errors(experiment, frames)
        yield from context_errors(experiment, frames)
        yield from _unknowns_errors(experiment, frames)


def _unknowns_errors(experiment: Experiment, frames: Sequence[int]) -> Iterator[str]:
    """Errors for more unknown initial values than a calibration on generated data takes."""
    generation, spec = experiment.generation_params, equation_of(experiment)
    if generation is None or spec is None or "physical" not in stages_trained(experiment):
        return
    axes = generation.resolution
    roles = [each for each in spec.fields if not each.is_optional]
    channels = sum(len(axes) if role.is_vector else 1 for role in roles)
    yield from unknowns_errors(experiment, math.prod(axes.values()), channels, frames)


def _split_errors(experiment: Experiment, stage: str) -> Iterator[str]:
    training = getattr(experiment.trainer_params, stage)
    if not training.train_sim:
        yield "trainer_params.train_sim: missing; list the simulations to train on, counted from 0"
    kinds = ("train_sim", "val_sim", "test_sim")
    for position, kind in enumerate(kinds):
        indices = getattr(training, kind)
        if len(set(indices)) < len(indices):
            yield (
                f"trainer_params.{kind}: {indices}: an index is given twice; list each simulation "
                "once"
            )
        for other in kinds[position + 1 :]:
            common = sorted({*indices} & {*getattr(training, other)})
            if common:
                yield (
                    f"trainer_params.{other}: {common}: also in trainer_params.{kind}; a held-out "
                    "simulation must not be used for training; list it only once"
                )


def _module_errors(experiment: Experiment, stage: str) -> Iterator[str]:
    module = getattr(experiment.model, stage).module
    if module and not (Path(experiment.project_root) / module).is_file():
        yield (
            f"model.{stage}.module: {module!r}: file not found in project_root, "
            f"{experiment.project_root!r}"
        )


def _generation_errors(experiment: Experiment) -> Iterator[str]:
    generation = experiment.generation_params
    assert generation is not None
    physical = experiment.model.physical
    name = generation.equation or (physical.name if physical else None)
    if name is None:
        yield "generation_params.equation: missing; name the equation to simulate"
        return
    equations = built_in_equations()
    if name not in equations and not (physical and physical.module):
        yield f"generation_params.equation: {suggest_model('model.physical', name, equations)}"
        return
    if set(generation.domain) - set(generation.resolution):
        yield (
            f"generation_params.domain: {sorted(generation.domain)}: must use the axes of "
            f"generation_params.resolution, {sorted(generation.resolution)}"
        )
    yield from _boundary_errors(experiment)
    if name not in equations:
        return
    spec = equations[name]
    axes, sides = sorted(generation.resolution), _sides(experiment.data.boundary)
    yield from domain_errors(spec, axes, sides, "generation_params.equation")
    if (fitted := equation_of(experiment)) is not None and fitted is not spec:
        yield from domain_errors(fitted, axes, sides)
    key = "generation_params.parameters"
    given = [*generation.parameters, *generation.ranges]
    yield from parameter_value_errors(key, spec, generation.parameters, given)
    yield from parameter_range_errors("generation_params.ranges", spec, generation.ranges)
    for both in sorted({*generation.parameters} & {*generation.ranges}):
        yield (f"generation_params.ranges.{both}: also in {key}; one value, or a range, not both")
    yield from _bump_errors(experiment)
    generated = [*generated_fields(experiment), *generation.diagnostics]
    for field in experiment.data.fields:
        if field not in generated:
            yield (
                f"data.fields: {field!r}: generation_params does not generate it; it generates "
                f"{generated}"
            )


def _bump_errors(experiment: Experiment) -> Iterator[str]:
    """Errors for fields of ``initial_condition`` that are not simulated."""
    generation = experiment.generation_params
    assert generation is not None
    condition, fields = generation.initial_condition, generated_fields(experiment)
    if not isinstance(condition, GaussianBumps):
        return
    for key in ("amplitude", "background"):
        values = getattr(condition, key)
        for name in values if isinstance(values, dict) else ():
            if name not in fields:
                yield (
                    f"generation_params.initial_condition.{key}.{name}: no field of the "
                    f"simulations: {suggest(name, fields)}"
                )


def _boundary_errors(experiment: Experiment) -> Iterator[str]:
    """Errors in ``data.boundary`` on the simulated axes."""
    generation, stated = experiment.generation_params, experiment.data.boundary
    assert generation is not None
    axes, sides = sorted(generation.resolution), _sides(stated)
    if isinstance(stated, Mapping) and sorted(stated) != axes:
        yield (
            f"data.boundary: {sorted(stated)}: must have the axes of "
            f"generation_params.resolution, {axes}"
        )
    for side in sides:
        if side not in NAMED_SIDES and not _is_number(side):
            yield f"data.boundary: {side!r}: {SIDES_ALLOWED}"
    section = experiment.model.physical
    has_walls = any(side != "periodic" for side in sides)
    if has_walls and section is not None and section.numerics.scheme == "spectral":
        yield (
            "model.physical.numerics.scheme: spectral: needs periodic boundaries on every axis, "
            f"but data.boundary is {stated!r}; use finite_difference"
        )


def _sides(boundary: Any) -> list[Any]:
    """All boundary conditions in ``data.boundary``, in any of its nested forms."""
    if isinstance(boundary, Mapping):
        return [side for value in boundary.values() for side in _sides(value)]
    return [] if boundary is None else [boundary]


def _is_number(side: Any) -> bool:
    try:
        return not isinstance(side, bool) and math.isfinite(float(side))
    except (TypeError, ValueError):
        return False
