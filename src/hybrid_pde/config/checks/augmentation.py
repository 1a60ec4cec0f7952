"""Checks of ``augmentation``: generated simulations and symmetries."""

from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_pde.config.checks.equation import fields_by_role, parameter_range_errors
from hybrid_pde.config.checks.symmetries import (
    KEY,
    box_of,
    box_of_generation,
    find_symmetries,
    unsupported_symmetries,
)
from hybrid_pde.config.derived import equation_of, is_augmented, stages_trained
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.config.schema import Experiment, GivenStates, Number, PerturbedField

if TYPE_CHECKING:
    from hybrid_pde.domain.grid import FieldLayout, Grid
    from hybrid_pde.domain.known_values import KnownParameter

VALUE_BYTES = 4
MB = 1e6


def augmentation_errors(experiment: Experiment) -> Iterator[str]:
    """Errors in ``augmentation`` that can be found without the data.

    Args:
        experiment: The typed experiment.
    """
    if is_augmented(experiment):
        yield from _initial_condition_errors(experiment)
        section = experiment.model.physical
        equations = built_in_equations()
        if section is not None and not section.module and section.name in equations:
            yield from drawn_parameter_errors(experiment, equations[section.name])
    if "synthetic" in stages_trained(experiment):
        yield from _symmetry_errors(experiment)
    generation, spec = experiment.generation_params, equation_of(experiment)
    if is_augmented(experiment) and generation is not None and spec is not None:
        dims, names = len(generation.resolution), experiment.data.fields
        roles = [r for r in spec.fields if not r.is_optional or r.name in names]
        channels = sum(dims if role.is_vector else 1 for role in roles)
        points = prod(generation.resolution.values())
        yield from _disk_space_errors(experiment, channels * points, generation.steps)


def drawn_parameter_errors(experiment: Experiment, spec: EquationSpec) -> Iterator[str]:
    """Errors in ``augmentation.parameters``, the distribution of generated parameters.

    Args:
        experiment: The typed experiment.
        spec: The equation of the physical model.
    """
    if not is_augmented(experiment):
        return
    key, drawn = "augmentation.parameters", experiment.augmentation.parameters
    learnable = experiment.trainer_params.physical.learnable_parameters
    if drawn == "distribution" and not [p for p in learnable if p.parametrization is None]:
        yield (
            f"{key}: distribution: trainer_params.learnable_parameters has no number to sample; "
            "give ranges, or leave it out"
        )
    ranges = {} if isinstance(drawn, str) else drawn
    yield from parameter_range_errors(key, spec, ranges)
    for name, (lower, upper) in ranges.items():
        if name in [p.name for p in learnable if p.parametrization is not None]:
            yield (
                f"{key}.{name}: {[lower, upper]}: learned as a field, which cannot be sampled; "
                "leave it out"
            )


def augmentation_data_errors(
    experiment: Experiment,
    layouts: Sequence["FieldLayout"],
    frames: Sequence[int | None],
    grid: "Grid",
    known: Sequence["KnownParameter"],
) -> Iterator[str]:
    """Errors in ``augmentation`` that depend on the data.

    Args:
        experiment: The typed experiment.
        layouts: Fields of the data.
        frames: Number of frames of each simulation; ``None`` if it cannot be read.
        grid: Grid of the data.
        known: Known parameters of the data, without values.
    """
    section = experiment.model.physical
    is_user_model = section is not None and section.module
    if (
        experiment.augmentation.symmetries
        and "synthetic" in stages_trained(experiment)
        and not is_user_model
    ):
        box = box_of(grid, layouts, known)
        yield from find_symmetries(experiment, equation_of(experiment), box)[1]
    if is_augmented(experiment):
        yield from _static_input_errors(experiment, layouts, known)
        first = experiment.trainer_params.physical.train_sim[:1]
        lengths = [frames[index] for index in first if index < len(frames)]
        yield from _steps_errors(experiment, frames, known)
        channels = sum(each.channels for each in layouts if not each.static)
        if lengths and lengths[0] is not None:
            yield from _disk_space_errors(experiment, channels * prod(grid.shape), lengths[0] - 1)


def _steps_errors(
    experiment: Experiment, frames: Sequence[int | None], known: Sequence["KnownParameter"]
) -> Iterator[str]:
    """Error for more generated frames than parameters that change in time are known for."""
    asked, sources = experiment.augmentation.steps, experiment.trainer_params.physical.train_sim
    series = [kind.name for kind in known if not kind.static]
    held = [count for index in sources if index < len(frames) if (count := frames[index])]
    if asked is not None and series and held and asked > min(held) - 1:
        yield (
            f"augmentation.steps: {asked}: {', '.join(series)} change in time, and the shortest "
            f"simulation of trainer_params.train_sim has {min(held) - 1} frames after its first; "
            "generate at most that, or leave the key out"
        )


def _static_input_errors(
    experiment: Experiment, layouts: Sequence["FieldLayout"], known: Sequence["KnownParameter"]
) -> Iterator[str]:
    """Errors for inputs of the surrogate that generated simulations do not have.

    Static fields come from the source simulation, whose known parameters the equation takes; if
    none of those is a field, generated simulations would not depend on a static field.
    """
    section = experiment.model.synthetic
    assert section is not None
    spec, names = equation_of(experiment), [each.name for each in layouts if not each.static]
    generated = names if spec is None else [*fields_by_role(spec, names).values()]
    for layout in layouts:
        if layout.name not in section.input_specs or layout.name in generated:
            continue
        if layout.static and any(each.is_field for each in known):
            continue
        kind = "constant in time" if layout.static else "not a field of the equation"
        yield (
            f"model.synthetic.input_specs.{layout.name}: {kind}, so generated simulations do not "
            "have it; leave it out of the inputs, name its variable in data.known_parameters, too, "
            "if it is a parameter of the equation, or set augmentation.enabled: false"
        )


def _initial_condition_errors(experiment: Experiment) -> Iterator[str]:
    condition = experiment.augmentation.initial_condition
    if isinstance(condition, GivenStates):
        path = Path(experiment.project_root) / condition.path
        if not path.exists():
            yield (
                f"augmentation.initial_condition.path: {condition.path!r}: file not found: {path}; "
                f"the path is relative to project_root, {experiment.project_root!r}"
            )
    seen = experiment.data.observations
    if isinstance(condition, PerturbedField) and seen is not None and seen.hides:
        yield (
            "augmentation.initial_condition.type: perturbed: frames of the data would reveal "
            "values that data.observations hides; use resembling or gaussian_random_field"
        )


def _symmetry_errors(experiment: Experiment) -> Iterator[str]:
    section, generation = experiment.model.physical, experiment.generation_params
    if section is not None and section.module:
        return  # checked when its file is loaded
    spec = equation_of(experiment)
    if generation is None or not experiment.augmentation.symmetries:
        yield from unsupported_symmetries(experiment, spec)
    elif spec is None:
        yield (
            f"{KEY}: {experiment.augmentation.symmetries}: they depend on the equation, but "
            "model.physical is missing; name the equation of generation_params there"
        )
    else:
        yield from _contradicting_parameters(experiment, spec)
        yield from find_symmetries(experiment, spec, box_of_generation(experiment, spec))[1]


def _contradicting_parameters(experiment: Experiment, spec: EquationSpec) -> Iterator[str]:
    """Errors for fixed parameters that differ between ``generation_params`` and the model."""
    section, generation = experiment.model.physical, experiment.generation_params
    assert section is not None and generation is not None
    learned = [p.name for p in experiment.trainer_params.physical.learnable_parameters]
    for name, parameter in spec.parameters.items():
        fixed = section.pde_params.get(name, parameter.default)
        simulated = generation.parameters.get(name, parameter.default)
        if name in learned or fixed is None or simulated is None or _same(fixed, simulated):
            continue
        yield (
            f"{KEY}: {experiment.augmentation.symmetries}: generation_params simulates with {name} "
            f"= {simulated}, but model.physical has {fixed}; set it in model.physical.pde_params"
        )


def _same(one: bool | Number | tuple[float, ...], other: bool | Number | tuple[float, ...]) -> bool:
    first, second = ([*v] if isinstance(v, list | tuple) else [v] for v in (one, other))
    length = max(len(first), len(second))  # a single number holds for every axis
    return first * (length // len(first)) == second * (length // len(second))


def _disk_space_errors(experiment: Experiment, values: int, steps: int) -> Iterator[str]:
    """Error if the generated simulations take more than ``max_disk_mb``.

    Args:
        experiment: The typed experiment.
        values: Values per frame.
        steps: Number of frames after the first if ``augmentation.steps`` is not set.
    """
    augmentation = experiment.augmentation
    frames = (augmentation.steps or steps) + 1
    needed = augmentation.num_simulations * frames * values * VALUE_BYTES / MB
    if augmentation.max_disk_mb is not None and needed > augmentation.max_disk_mb:
        yield (
            f"augmentation.max_disk_mb: {augmentation.max_disk_mb:g}: "
            f"{augmentation.num_simulations} simulations of {frames} frames take {needed:.4g} MB; "
            "raise it, or lower augmentation.num_simulations or augmentation.steps"
        )
