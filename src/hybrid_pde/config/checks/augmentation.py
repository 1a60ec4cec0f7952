"""Whether what is to be generated, and how windows are to be turned, can be done."""

from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_pde.config.checks.symmetries import (
    KEY,
    box_of,
    box_of_generation,
    find_symmetries,
    unclaimed,
)
from hybrid_pde.config.derived import equation_of, is_augmented, stages_trained
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.equations import EquationSpec, ParameterSpec
from hybrid_pde.config.error_messages import suggest
from hybrid_pde.config.schema import Experiment, GivenStates, Number, PerturbedField

if TYPE_CHECKING:
    from hybrid_pde.domain.grid import FieldLayout, Grid
    from hybrid_pde.domain.known_values import KnownParameter

VALUE_BYTES = 4
MB = 1e6


def wrong_augmentation(experiment: Experiment) -> Iterator[str]:
    """A line for every mistake in ``augmentation`` that shows without the data.

    Args:
        experiment: The typed experiment.
    """
    if is_augmented(experiment):
        yield from _wrong_states(experiment)
        section = experiment.model.physical
        equations = built_in_equations()
        if section is not None and not section.module and section.name in equations:
            yield from wrong_draws(experiment, equations[section.name])
    if "synthetic" in stages_trained(experiment):
        yield from _wrong_symmetries(experiment)
    generation, spec = experiment.generation_params, equation_of(experiment)
    if is_augmented(experiment) and generation is not None and spec is not None:
        dims, names = len(generation.resolution), experiment.data.fields
        played = [r for r in spec.fields if not r.is_optional or r.name in names]
        channels = sum(dims if role.is_vector else 1 for role in played)
        points = prod(generation.resolution.values())
        yield from _too_large(experiment, channels * points, generation.steps)


def wrong_draws(experiment: Experiment, spec: EquationSpec) -> Iterator[str]:
    """A line for every parameter that cannot be drawn as ``augmentation.parameters`` says.

    Args:
        experiment: The typed experiment.
        spec: The equation of the physical model.
    """
    if not is_augmented(experiment):
        return
    key, drawn = "augmentation.parameters", experiment.augmentation.parameters
    learnable = experiment.trainer_params.physical.learnable_parameters
    if drawn == "distribution" and not [p for p in learnable if p.parametrization is None]:
        yield f"{key}: distribution: no number is learned; give ranges, or leave it out"
    for name, (lower, upper) in {} if isinstance(drawn, str) else drawn.items():
        if name not in spec.parameters:
            yield f"{key}.{name}: no parameter of {spec.name}: {suggest(name, spec.parameters)}"
            continue
        yield from _wrong_range(f"{key}.{name}", spec.parameters[name], lower, upper)
        if name in [p.name for p in learnable if p.parametrization is not None]:
            yield f"{key}.{name}: {[lower, upper]}: it is learned as a field, which is not drawn"


def misfit_augmentation(
    experiment: Experiment,
    layouts: Sequence["FieldLayout"],
    frames: Sequence[int | None],
    grid: "Grid",
    known: Sequence["KnownParameter"],
) -> Iterator[str]:
    """A line for everything in ``augmentation`` that the data do not allow.

    Args:
        experiment: The typed experiment.
        layouts: The fields of the data.
        frames: Number of frames of each simulation, ``None`` for one that cannot be read.
        grid: The grid of the data.
        known: Kinds of the known parameters in the data.
    """
    section = experiment.model.physical
    own = section is not None and section.module
    if experiment.augmentation.symmetries and "synthetic" in stages_trained(experiment) and not own:
        box = box_of(grid, layouts, known)
        yield from find_symmetries(experiment, equation_of(experiment), box)[1]
    if is_augmented(experiment):
        first = experiment.trainer_params.physical.train_sim[:1]
        lengths = [frames[index] for index in first if index < len(frames)]
        channels = sum(each.channels for each in layouts if not each.static)
        if lengths and lengths[0] is not None:
            yield from _too_large(experiment, channels * prod(grid.shape), lengths[0] - 1)


def _wrong_states(experiment: Experiment) -> Iterator[str]:
    condition = experiment.augmentation.initial_condition
    if isinstance(condition, GivenStates):
        path = Path(experiment.project_root) / condition.path
        if not path.is_file():
            yield (
                f"augmentation.initial_condition.path: {condition.path!r}: no such file: {path}; "
                f"the path is relative to project_root, {experiment.project_root!r}"
            )
    seen = experiment.data.observations
    if isinstance(condition, PerturbedField) and seen is not None and seen.hides:
        yield (
            "augmentation.initial_condition.type: perturbed: states of any frame would show what "
            "data.observations hides; take resembling or gaussian_random_field"
        )


def _wrong_range(key: str, parameter: ParameterSpec, lower: float, upper: float) -> Iterator[str]:
    if lower >= upper:
        yield f"{key}: {[lower, upper]}: the lower end must be less than the upper one"
    elif parameter.positive and lower < 0:
        yield f"{key}: {[lower, upper]}: must not be negative"
    if parameter.components:
        yield (
            f"{key}: {[lower, upper]}: it has {', '.join(parameter.components)}, which no one "
            "range is for"
        )


def _wrong_symmetries(experiment: Experiment) -> Iterator[str]:
    section, generation = experiment.model.physical, experiment.generation_params
    if section is not None and section.module:
        return  # its symmetries are known when its file is loaded
    spec = equation_of(experiment)
    if generation is None or not experiment.augmentation.symmetries:
        yield from unclaimed(experiment, spec)
    elif spec is None:
        yield (
            f"{KEY}: {experiment.augmentation.symmetries}: they are those of the equation in "
            "model.physical, which is missing; name there what generation_params simulates"
        )
    else:
        yield from _untrue(experiment, spec)
        yield from find_symmetries(experiment, spec, box_of_generation(experiment, spec))[1]


def _untrue(experiment: Experiment, spec: EquationSpec) -> Iterator[str]:
    """Parameters that are not learned, and that the data are simulated with another value of."""
    section, generation = experiment.model.physical, experiment.generation_params
    assert section is not None and generation is not None
    learned = [p.name for p in experiment.trainer_params.physical.learnable_parameters]
    for name, parameter in spec.parameters.items():
        held = section.pde_params.get(name, parameter.default)
        made = generation.parameters.get(name, parameter.default)
        if name in learned or held is None or made is None or _same(held, made):
            continue
        yield (
            f"{KEY}: {experiment.augmentation.symmetries}: generation_params simulates with "
            f"{name} = {made}, model.physical has {held}; give it in model.physical.pde_params"
        )


def _same(one: bool | Number | tuple[float, ...], other: bool | Number | tuple[float, ...]) -> bool:
    first, second = ([*v] if isinstance(v, list | tuple) else [v] for v in (one, other))
    length = max(len(first), len(second))  # one number stands for that of every axis
    return first * (length // len(first)) == second * (length // len(second))


def _too_large(experiment: Experiment, values: int, steps: int) -> Iterator[str]:
    """Whether the generated simulations take more than ``max_disk_mb``.

    Args:
        experiment: The typed experiment.
        values: Numbers in a frame.
        steps: Frames after the first, where ``augmentation.steps`` does not say it.
    """
    augmentation = experiment.augmentation
    frames = (augmentation.steps or steps) + 1
    needed = augmentation.num_simulations * frames * values * VALUE_BYTES / MB
    if augmentation.max_disk_mb is not None and needed > augmentation.max_disk_mb:
        yield (
            f"augmentation.max_disk_mb: {augmentation.max_disk_mb:g}: "
            f"{augmentation.num_simulations} simulations of {frames} frames take {needed:.4g} MB; "
            "allow it, or lower augmentation.num_simulations or augmentation.steps"
        )
