"""Checks of an experiment against its data."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from hybrid_pde.config.checks.augmentation import augmentation_data_errors
from hybrid_pde.config.checks.calibration import learnable_key, unknowns_errors
from hybrid_pde.config.checks.equation import domain_errors, fields_by_role
from hybrid_pde.config.checks.scheme_grid import scheme_grid_errors
from hybrid_pde.config.checks.surrogate import options_of
from hybrid_pde.config.checks.units import unit_errors
from hybrid_pde.config.derived import equation_of, held_out_simulations, stages_trained
from hybrid_pde.config.error_messages import raise_errors, suggest
from hybrid_pde.config.schema import Experiment
from hybrid_pde.errors import ConfigError

if TYPE_CHECKING:
    from hybrid_pde.domain.grid import FieldLayout, Grid
    from hybrid_pde.domain.known_values import KnownParameter
    from hybrid_pde.domain.stated_units import StatedUnits


def check_against_data(
    experiment: Experiment,
    source: str,
    layouts: Sequence["FieldLayout"],
    frames: Sequence[int | None],
    grid: "Grid",
    known: Sequence["KnownParameter"] = (),
    units: "StatedUnits | None" = None,
) -> None:
    """Check that the data contain what the experiment needs.

    Args:
        experiment: The typed experiment.
        source: File of the experiment, for error messages.
        layouts: Fields of the data.
        frames: Number of frames of each simulation; ``None`` if it cannot be read.
        grid: Grid of the data.
        known: Known parameters of the data, without values.
        units: Units and directions of the data.

    Raises:
        ConfigError: with a line for each mismatch.
    """
    lines = [*simulation_errors(experiment, frames), *_channel_errors(experiment, layouts)]
    lines += [
        *_parameter_input_errors(experiment, grid, known),
        *_architecture_errors(experiment, grid),
    ]
    if "physical" in stages_trained(experiment):
        lines += [
            *_role_errors(experiment, layouts, grid),
            *_solver_errors(experiment, grid),
            *_known_parameter_errors(experiment, known),
            *_region_errors(experiment, grid),
            *unit_errors(experiment, layouts, grid, known, units),
            *_unknowns_errors(experiment, layouts, frames, grid),
        ]
    lines += augmentation_data_errors(experiment, layouts, frames, grid, known)
    raise_errors(source, lines)


def simulation_errors(experiment: Experiment, frames: Sequence[int | None]) -> Iterator[str]:
    """Errors for simulations that do not exist or are too short.

    Args:
        experiment: The typed experiment.
        frames: Number of frames of each simulation; ``None`` if it cannot be read.
    """
    for stage in stages_trained(experiment):
        training = getattr(experiment.trainer_params, stage)
        for kind in ("train_sim", "val_sim", "test_sim"):
            missing = [index for index in getattr(training, kind) if index >= len(frames)]
            if missing:
                yield (
                    f"trainer_params.{kind}: {missing}: not found; "
                    f"{experiment.raw_dir} has {len(frames)} simulations, counted from 0"
                )
        needed = training.num_predict_steps or 1  # the surrogate's is chosen for the data
        for index in [*training.train_sim, *training.val_sim]:
            if (held := _num_frames(index, frames)) is not None and held <= needed:
                yield (
                    f"trainer_params.num_predict_steps: {needed}: simulation {index} has {held} "
                    f"frames, but a start and its targets need {needed + 1}; lower it"
                )
                break
    steps = experiment.evaluation_params.num_steps or 1
    for index in held_out_simulations(experiment)[0]:
        if (held := _num_frames(index, frames)) is not None and held <= steps:
            yield (
                f"evaluation_params.num_steps: {steps}: simulation {index} has {held - 1} frames "
                "after its first; lower it, or use null for all frames"
            )
            break


def _num_frames(index: int, frames: Sequence[int | None]) -> int | None:
    return frames[index] if index < len(frames) else None


def _channel_errors(experiment: Experiment, layouts: Sequence["FieldLayout"]) -> Iterator[str]:
    by_name = {layout.name: layout for layout in layouts}
    section = experiment.model.synthetic
    if section is None or "synthetic" not in stages_trained(experiment):
        return
    for specs in ("input_specs", "output_specs"):
        for name, channels in getattr(section, specs).items():
            layout = by_name.get(name)
            if layout is not None and layout.channels != channels:
                yield (
                    f"model.synthetic.{specs}.{name}: {channels}: the data have "
                    f"{layout.channels} channel(s)"
                )
            if layout is not None and layout.static and specs == "output_specs":
                yield (
                    f"model.synthetic.output_specs.{name}: constant in time, so it can only be an "
                    "input"
                )
            if layout is not None and not layout.static and name not in section.output_specs:
                yield (
                    f"model.synthetic.input_specs.{name}: changes in time, so a rollout has to "
                    "predict it; add it to model.synthetic.output_specs"
                )


def _parameter_input_errors(
    experiment: Experiment, grid: "Grid", known: Sequence["KnownParameter"]
) -> Iterator[str]:
    """Errors for parameters among the surrogate's inputs that do not match the data."""
    section = experiment.model.synthetic
    if section is None or "synthetic" not in stages_trained(experiment):
        return
    by_name = {parameter.name: parameter for parameter in known}
    spec = equation_of(experiment)
    for name, channels in section.input_specs.items():
        key = f"model.synthetic.input_specs.{name}"
        if name in experiment.data.fields:
            continue
        if (parameter := by_name.get(name)) is not None:
            if parameter.is_field or not parameter.static:
                yield (
                    f"{key}: {parameter.describe()} in the data; as an input, a parameter must be "
                    "a number, or one number per axis, that is constant in time"
                )
            elif parameter.layout.channels != channels:
                yield f"{key}: {channels}: the data have {parameter.layout.channels} number(s)"
        elif spec is None or name not in spec.parameters:
            continue
        elif spec.parameters[name].per_axis and channels != len(grid.axes):
            yield f"{key}: {channels}: must be {len(grid.axes)}, one number per axis"


def _architecture_errors(experiment: Experiment, grid: "Grid") -> Iterator[str]:
    """Errors if the surrogate's architecture does not fit the grid of the data."""
    section = experiment.model.synthetic
    if section is None or section.module or "synthetic" not in stages_trained(experiment):
        return
    if (stated := section.architecture.get("spatial_dims")) not in (None, len(grid.axes)):
        yield (
            f"model.synthetic.architecture.spatial_dims: {stated}: the data have {len(grid.axes)} "
            f"axes ({', '.join(grid.axes)}); leave the key out"
        )
    try:
        options_of(section.name, section.architecture).check_grid(grid.shape, grid.boundary)
    except ConfigError as error:
        yield str(error)


def _role_errors(
    experiment: Experiment, layouts: Sequence["FieldLayout"], grid: "Grid"
) -> Iterator[str]:
    """Errors for fields of the equation that are missing or have other channels in the data."""
    spec = equation_of(experiment)
    if spec is None:
        return
    by_name = {layout.name: layout for layout in layouts if not layout.static}
    matched = fields_by_role(spec, list(by_name))
    if missing := [role for role, name in matched.items() if name is None]:
        yield (
            f"data.fields: {experiment.data.fields}: {spec.name} needs the fields {[*matched]}; "
            f"no field that changes in time was found for {', '.join(missing)}"
        )
    vectors = {role.name for role in spec.fields if role.is_vector}
    for role, name in matched.items():
        wanted = len(grid.axes) if role in vectors else 1
        if name is not None and by_name[name].channels != wanted:
            yield (
                f"data.fields: {name!r}: the data have {by_name[name].channels} channel(s), but "
                f"{role} of {spec.name} has {wanted}; {_way_out(name, role, wanted)}"
            )


def _way_out(name: str, role: str, wanted: int) -> str:
    """Advice for a field with another number of channels than its role."""
    if wanted == 1:
        return f"{role} is a scalar: choose one component with data.variables: {{{name}: …}}"
    return (
        f"if the file has all {wanted} components, data.variables: {{{name}: […]}} lists their "
        f"variables; if {name!r} is a scalar (a vorticity, say), choose an equation of "
        "model.physical.name for it, or compute the vector from it first"
    )


def _solver_errors(experiment: Experiment, grid: "Grid") -> Iterator[str]:
    """Errors if the physical model cannot run on the grid of the data."""
    section = experiment.model.physical
    assert section is not None
    yield from scheme_grid_errors(experiment, grid)
    spec = equation_of(experiment)
    if spec is not None:
        yield from domain_errors(spec, grid.axes, [side for pair in grid.boundary for side in pair])
    per_axis = None if spec is None else {n for n, p in spec.parameters.items() if p.per_axis}
    values: list[tuple[str, str, Any]] = [
        (name, f"model.physical.pde_params.{name}", value)
        for name, value in section.pde_params.items()
    ]
    axes = f"the data have {len(grid.axes)} axes ({', '.join(grid.axes)})"
    for position, parameter in enumerate(experiment.trainer_params.physical.learnable_parameters):
        key = learnable_key(position)
        if parameter.parametrization is None:
            values.append((parameter.name, f"{key}.initial_guess", parameter.initial_guess))
        elif per_axis is not None and parameter.name in per_axis and len(grid.axes) > 1:
            yield (
                f"{key}.parametrization: {parameter.parametrization.type}: {parameter.name} has "
                f"one component per axis, and {axes}; learn one number per axis instead"
            )
    for name, key, value in values:
        if per_axis is not None and name not in per_axis:
            continue
        if isinstance(value, list) and len(value) != len(grid.axes):
            yield f"{key}: {value}: {axes}; give one number per axis"


def _unknowns_errors(
    experiment: Experiment,
    layouts: Sequence["FieldLayout"],
    frames: Sequence[int | None],
    grid: "Grid",
) -> Iterator[str]:
    """Errors for more unknown initial values than the method takes."""
    by_name = {layout.name: layout for layout in layouts if not layout.static}
    spec = equation_of(experiment)
    names = {*by_name} if spec is None else {*fields_by_role(spec, list(by_name)).values()}
    channels = sum(layout.channels for name, layout in by_name.items() if name in names)
    yield from unknowns_errors(experiment, prod(grid.shape), channels, frames)


def _region_errors(experiment: Experiment, grid: "Grid") -> Iterator[str]:
    """Errors for observed regions outside the domain of the data."""
    section = experiment.data.observations
    for axis, (lower, upper) in ({} if section is None else section.region).items():
        key = f"data.observations.region.{axis}"
        if axis not in grid.axes:
            yield f"data.observations.region: {suggest(axis, grid.axes)}"
            continue
        number = grid.axes.index(axis)
        first, last = grid.lower[number], grid.upper[number]
        if (lower is not None and lower > last) or (upper is not None and upper < first):
            yield f"{key}: {[lower, upper]}: outside the domain [{first:g}, {last:g}]"


def _known_parameter_errors(
    experiment: Experiment, known: Sequence["KnownParameter"]
) -> Iterator[str]:
    """Errors for known parameters of a kind that the equation does not accept."""
    spec = equation_of(experiment)
    for parameter in known:
        wanted = spec.parameters.get(parameter.name) if spec is not None else None
        if wanted is None:
            continue  # a boundary value, or a user-defined equation
        if wanted.components:
            yield (
                f"data.known_parameters.{parameter.name}: has the components "
                f"{', '.join(wanted.components)}; set them in model.physical.pde_params"
            )
        elif (parameter.is_field and not wanted.is_field) or (
            parameter.components and not wanted.per_axis
        ):
            expected = "one number per axis" if wanted.per_axis else "a number"
            yield (
                f"data.known_parameters.{parameter.name}: {parameter.describe()}: must be "
                f"{expected}{' or a field' if wanted.is_field else ''}"
            )
