"""Whether the data hold what an experiment asks of them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hybrid_pde.config.checks.augmentation import misfit_augmentation
from hybrid_pde.config.checks.calibration import learnable_key
from hybrid_pde.config.checks.equation import fields_by_role
from hybrid_pde.config.checks.surrogate import options_of
from hybrid_pde.config.derived import equation_of, held_out_simulations, stages_trained
from hybrid_pde.config.error_messages import refuse, suggest
from hybrid_pde.config.schema import Experiment
from hybrid_pde.errors import ConfigError

if TYPE_CHECKING:
    from hybrid_pde.domain.grid import FieldLayout, Grid
    from hybrid_pde.domain.known_values import KnownParameter


def check_against_data(
    experiment: Experiment,
    source: str,
    layouts: Sequence["FieldLayout"],
    frames: Sequence[int | None],
    grid: "Grid",
    known: Sequence["KnownParameter"] = (),
) -> None:
    """Refuse an experiment that asks for what the data do not hold.

    Args:
        experiment: The typed experiment.
        source: Its file, for the message.
        layouts: The fields of the data.
        frames: Number of frames of each simulation, ``None`` for one that cannot be read.
        grid: The grid of the data.
        known: Kinds of the known parameters in the data.

    Raises:
        ConfigError: with a line for every request that cannot be met.
    """
    lines = [*missing_simulations(experiment, frames), *_misfits(experiment, layouts)]
    lines += [*_misfit_parameters(experiment, grid, known), *_misfit_grid(experiment, grid)]
    if "physical" in stages_trained(experiment):
        lines += [
            *_unplayable(experiment, layouts, grid),
            *_unsolvable(experiment, grid),
            *_misshapen(experiment, known),
            *_outside(experiment, grid),
        ]
    lines += misfit_augmentation(experiment, layouts, frames, grid, known)
    refuse(source, lines)


def missing_simulations(experiment: Experiment, frames: Sequence[int | None]) -> Iterator[str]:
    """A line for every simulation asked for that is not there, or is too short.

    Args:
        experiment: The typed experiment.
        frames: Number of frames of each simulation, ``None`` for one that cannot be read.
    """
    for stage in stages_trained(experiment):
        training = getattr(experiment.trainer_params, stage)
        for kind in ("train_sim", "val_sim", "test_sim"):
            missing = [index for index in getattr(training, kind) if index >= len(frames)]
            if missing:
                yield (
                    f"trainer_params.{kind}: {missing}: no such simulation; "
                    f"{experiment.raw_dir} holds {len(frames)}, counted from 0"
                )
        needed = training.num_predict_steps
        for index in [*training.train_sim, *training.val_sim]:
            if (held := _frames_of(index, frames)) is not None and held <= needed:
                yield (
                    f"trainer_params.num_predict_steps: {needed}: simulation {index} has {held} "
                    f"frames, and a start and its targets need {needed + 1}"
                )
                break
    steps = experiment.evaluation_params.num_steps or 1
    for index in held_out_simulations(experiment)[0]:
        if (held := _frames_of(index, frames)) is not None and held <= steps:
            yield (
                f"evaluation_params.num_steps: {steps}: simulation {index} has {held - 1} frames "
                "after its first; null takes all there are"
            )
            break


def _frames_of(index: int, frames: Sequence[int | None]) -> int | None:
    return frames[index] if index < len(frames) else None


def _misfits(experiment: Experiment, layouts: Sequence["FieldLayout"]) -> Iterator[str]:
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
                yield f"model.synthetic.output_specs.{name}: constant in time, so an input only"
            if layout is not None and not layout.static and name not in section.output_specs:
                yield (
                    f"model.synthetic.input_specs.{name}: changes in time, so a rollout needs it "
                    "among model.synthetic.output_specs too"
                )


def _misfit_parameters(
    experiment: Experiment, grid: "Grid", known: Sequence["KnownParameter"]
) -> Iterator[str]:
    """Inputs of the surrogate that are parameters of other numbers than the data's."""
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
                    f"{key}: {parameter.describe()} in the data; a parameter that is an input is a "
                    "number, or a number an axis, that is constant in time"
                )
            elif parameter.layout.channels != channels:
                yield f"{key}: {channels}: the data have {parameter.layout.channels} number(s)"
        elif spec is None or name not in spec.parameters:
            continue
        elif spec.parameters[name].per_axis and channels != len(grid.axes):
            yield f"{key}: {channels}: it has {len(grid.axes)} number(s), one for each axis"


def _misfit_grid(experiment: Experiment, grid: "Grid") -> Iterator[str]:
    """What keeps the surrogate's architecture from working on the grid of the data."""
    section = experiment.model.synthetic
    if section is None or section.module or "synthetic" not in stages_trained(experiment):
        return
    try:
        options_of(section.name, section.architecture).check_grid(grid.shape, grid.boundary)
    except ConfigError as error:
        yield str(error)


def _unplayable(
    experiment: Experiment, layouts: Sequence["FieldLayout"], grid: "Grid"
) -> Iterator[str]:
    """Roles of the equation that the fields of the data cannot play."""
    spec = equation_of(experiment)
    if spec is None:
        return
    by_name = {layout.name: layout for layout in layouts if not layout.static}
    played = fields_by_role(spec, list(by_name))
    if missing := [role for role, name in played.items() if name is None]:
        yield (
            f"data.fields: {experiment.data.fields}: {spec.name} needs the fields {[*played]}; of "
            f"those that change in time there is none for {', '.join(missing)}"
        )
    vectors = {role.name for role in spec.fields if role.is_vector}
    for role, name in played.items():
        wanted = len(grid.axes) if role in vectors else 1
        if name is not None and by_name[name].channels != wanted:
            yield (
                f"data.fields: {name!r}: the data have {by_name[name].channels} channel(s), as "
                f"{role} of {spec.name} it needs {wanted}; data.variables says which they are"
            )


def _unsolvable(experiment: Experiment, grid: "Grid") -> Iterator[str]:
    """What keeps the physical model from running on the grid of the data."""
    section = experiment.model.physical
    assert section is not None
    if section.numerics.scheme == "spectral" and not grid.is_periodic:
        sides = dict(zip(grid.axes, map(list, grid.boundary), strict=True))
        yield (
            f"model.physical.numerics.scheme: spectral: it needs 'periodic' on every axis, "
            f"data.boundary is {sides}; finite_difference takes any boundary"
        )
    spec = equation_of(experiment)
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
                f"{key}.parametrization: {parameter.parametrization.type}: {parameter.name} has a "
                f"component for each axis, {axes}; only a number for each can be learned"
            )
    for name, key, value in values:
        if per_axis is not None and name not in per_axis:
            continue
        if isinstance(value, list) and len(value) != len(grid.axes):
            yield f"{key}: {value}: {axes}, a number for each"


def _outside(experiment: Experiment, grid: "Grid") -> Iterator[str]:
    """Regions of observation in which nothing of the data lies."""
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


def _misshapen(experiment: Experiment, known: Sequence["KnownParameter"]) -> Iterator[str]:
    """Known parameters of another kind than the equation takes."""
    spec = equation_of(experiment)
    for parameter in known:
        wanted = spec.parameters.get(parameter.name) if spec is not None else None
        if wanted is None:
            continue  # a boundary value, or an equation of the user's own
        if wanted.components:
            yield (
                f"data.known_parameters.{parameter.name}: it has {', '.join(wanted.components)}; "
                "give them in model.physical.pde_params"
            )
        elif (parameter.is_field and not wanted.is_field) or (
            parameter.components and not wanted.per_axis
        ):
            expected = "a number for each axis" if wanted.per_axis else "a number"
            yield (
                f"data.known_parameters.{parameter.name}: {parameter.describe()}: it is {expected}"
                f"{' or a field' if wanted.is_field else ''}"
            )
