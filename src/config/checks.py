"""What the schema cannot say: whether an experiment's sections fit each other and the data."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.config.equations import EQUATIONS, EquationSpec, ParameterSpec
from src.config.messages import suggest
from src.config.modules import ARCHITECTURE_OPTIONS, ARCHITECTURES
from src.config.schema import Experiment, LearnableParameter, Number
from src.errors import ConfigError

if TYPE_CHECKING:
    from src.data.grid import FieldLayout, Grid

DIAGNOSTICS = {"pressure"}


def check_experiment(experiment: Experiment, source: str) -> None:
    """Refuse an experiment whose sections contradict each other.

    Args:
        experiment: The typed experiment.
        source: Its file, for the message.

    Raises:
        ConfigError: with a line for every contradiction.
    """
    _raise(source, _contradictions(experiment))


def check_against_data(
    experiment: Experiment,
    source: str,
    layouts: Sequence["FieldLayout"],
    frames: Sequence[int | None],
    grid: "Grid",
) -> None:
    """Refuse an experiment that asks for what the data do not hold.

    Args:
        experiment: The typed experiment.
        source: Its file, for the message.
        layouts: The fields of the data.
        frames: Number of frames of each simulation, ``None`` for one that cannot be read.
        grid: The grid of the data.

    Raises:
        ConfigError: with a line for every request that cannot be met.
    """
    lines = [*_missing_simulations(experiment, frames), *_misfits(experiment, layouts)]
    if "physical" in stages_trained(experiment):
        lines += _unsolvable(experiment, grid)
    _raise(source, lines)


def check_equation(experiment: Experiment, source: str, spec: EquationSpec) -> None:
    """Refuse fields and parameters that an equation of the user's own does not have.

    Args:
        experiment: The typed experiment.
        source: Its file, for the message.
        spec: What the equation's class says of itself.

    Raises:
        ConfigError: with a line for every one.
    """
    _raise(source, _wrong_names(experiment, spec))


def stages_trained(experiment: Experiment) -> tuple[str, ...]:
    """The models that the experiment trains."""
    kind = experiment.run_params.model_type
    return ("physical", "synthetic") if kind == "hybrid" else (kind,)


def held_out_simulations(experiment: Experiment) -> tuple[list[int], str]:
    """Which simulations are evaluated, and what they are.

    Returns:
        Indices and ``test``; in their absence ``validation``, and in the absence of both
        ``train``, whose errors say nothing about unseen data.
    """
    training = getattr(experiment.trainer_params, stages_trained(experiment)[-1])
    for key, split in (("test_sim", "test"), ("val_sim", "validation"), ("train_sim", "train")):
        if indices := getattr(training, key):
            return list(indices), split
    raise ConfigError("trainer_params.train_sim: missing; there is nothing to evaluate on")


def equation_of(experiment: Experiment) -> EquationSpec | None:
    """The physical model's equation, where it is a built-in one."""
    section = experiment.model.physical
    return None if section is None or section.module else EQUATIONS.get(section.name)


def generated_fields(experiment: Experiment) -> list[str]:
    """What the fields of generated simulations are called: the equation's names, else the data's.

    Diagnostics, which are derived from them, are not among them.
    """
    generation = experiment.generation_params
    name = generation.equation if generation else None
    spec = EQUATIONS.get(name) if name else equation_of(experiment)
    fields = [field for field in experiment.data.fields if field not in DIAGNOSTICS]
    if spec is None:
        return fields
    roles = [role.name for role in spec.fields]
    return roles if set(roles) <= set(fields) else fields[: len(roles)]


def _raise(source: str, lines: Sequence[str] | Iterator[str]) -> None:
    found = dict.fromkeys(f"{source}: {line}" for line in lines)
    if found:
        raise ConfigError("\n".join(found))


def _contradictions(experiment: Experiment) -> Iterator[str]:
    if not experiment.data.dset_name:
        yield "data.dset_name: missing; it names the folder of the raw files in data.data_dir"
    if not experiment.data.fields:
        yield "data.fields: missing; it lists the fields to read"
    for name in experiment.data.variables:
        if name not in experiment.data.fields:
            known = suggest(name, experiment.data.fields)
            yield f"data.variables.{name}: not in data.fields: {known}"
    for stage in stages_trained(experiment):
        if getattr(experiment.model, stage) is None:
            kind = experiment.run_params.model_type
            yield f"model.{stage}: missing; run_params.model_type: {kind} needs it"
            return
        yield from _wrong_simulations(experiment, stage)
        yield from _wrong_module(experiment, stage)
    if "physical" in stages_trained(experiment):
        yield from _wrong_equation(experiment)
    if "synthetic" in stages_trained(experiment):
        yield from _wrong_surrogate(experiment)
    if experiment.generation_params is not None:
        yield from _wrong_generation(experiment)
        generation = experiment.generation_params
        frames = [generation.steps + 1] * generation.num_simulations
        yield from _missing_simulations(experiment, frames)


def _wrong_simulations(experiment: Experiment, stage: str) -> Iterator[str]:
    training = getattr(experiment.trainer_params, stage)
    if not training.train_sim:
        yield "trainer_params.train_sim: missing; it lists the simulations to train on, from 0"
    kinds = ("train_sim", "val_sim", "test_sim")
    for position, kind in enumerate(kinds):
        indices = getattr(training, kind)
        if len(set(indices)) < len(indices):
            yield f"trainer_params.{kind}: {indices}: an index is given twice"
        for other in kinds[position + 1 :]:
            common = sorted({*indices} & {*getattr(training, other)})
            if common:
                yield (
                    f"trainer_params.{other}: {common}: also in trainer_params.{kind}; a held-out "
                    "simulation must not be trained on"
                )


def _wrong_module(experiment: Experiment, stage: str) -> Iterator[str]:
    module = getattr(experiment.model, stage).module
    if module and not (Path(experiment.project_root) / module).is_file():
        yield f"model.{stage}.module: {module!r}: no such file in {experiment.project_root!r}"


def _wrong_equation(experiment: Experiment) -> Iterator[str]:
    section = experiment.model.physical
    assert section is not None
    learnable = experiment.trainer_params.physical.learnable_parameters
    if not learnable:
        yield (
            "trainer_params.learnable_parameters: No 'learnable_parameters' defined; "
            "list what is to be estimated, e.g. [{name: viscosity, initial_guess: 0.02}]"
        )
    names = [parameter.name for parameter in learnable]
    for position, parameter in enumerate(learnable):
        key = f"trainer_params.learnable_parameters[{position}]"
        if parameter.name in names[:position]:
            yield f"{key}.name: {parameter.name!r}: given twice"
        yield from _wrong_bounds(key, parameter)
    numerics = section.numerics
    if numerics.scheme == "spectral" and numerics.order is not None:
        yield f"model.physical.numerics.order: {numerics.order}: the spectral scheme has none"
    if section.module:
        return  # see check_equation: its names are known when its file is loaded
    if section.name not in EQUATIONS:
        yield f"model.physical.name: {suggest(section.name, EQUATIONS)}"
        return
    yield from _wrong_names(experiment, EQUATIONS[section.name])


def _wrong_names(experiment: Experiment, spec: EquationSpec) -> Iterator[str]:
    section = experiment.model.physical
    assert section is not None
    learnable = experiment.trainer_params.physical.learnable_parameters
    for position, parameter in enumerate(learnable):
        key = f"trainer_params.learnable_parameters[{position}]"
        if parameter.name not in spec.parameters:
            known = suggest(parameter.name, spec.parameters)
            yield f"{key}.name: no parameter of {spec.name}: {known}"
        else:
            known_as = spec.parameters[parameter.name]
            yield from _wrong_value(f"{key}.initial_guess", known_as, parameter.initial_guess)
    names = [parameter.name for parameter in learnable]
    yield from _wrong_values(
        "model.physical.pde_params", spec, section.pde_params, [*section.pde_params, *names]
    )
    if len(experiment.data.fields) < len(spec.fields):
        roles = [role.name for role in spec.fields]
        yield f"data.fields: {experiment.data.fields}: {spec.name} needs the fields {roles}"


def _wrong_bounds(key: str, parameter: LearnableParameter) -> Iterator[str]:
    lower, upper = parameter.bounds or (None, None)
    if lower is not None and upper is not None and lower >= upper:
        yield f"{key}.bounds: {[lower, upper]}: the lower bound must be less than the upper one"
    guesses = _as_list(parameter.initial_guess)
    for guess in guesses:
        if (lower is not None and guess < lower) or (upper is not None and guess > upper):
            yield f"{key}.initial_guess: {guess}: outside its bounds {[lower, upper]}"


def _wrong_values(
    key: str, spec: EquationSpec, values: dict[str, Number], given: Sequence[str]
) -> Iterator[str]:
    for name, value in values.items():
        if name not in spec.parameters:
            yield f"{key}.{name}: no parameter of {spec.name}: {suggest(name, spec.parameters)}"
        else:
            yield from _wrong_value(f"{key}.{name}", spec.parameters[name], value)
    for name, parameter in spec.parameters.items():
        if parameter.default is None and name not in given:
            yield f"{key}.{name}: missing; {spec.name} ({spec.formula}) has no default for it"


def _wrong_value(key: str, parameter: ParameterSpec, value: Number) -> Iterator[str]:
    if isinstance(value, list) and not (parameter.per_axis and value):
        expected = "a list of one number an axis" if parameter.per_axis else "one number, no list"
        yield f"{key}: {value}: it is {expected}"
    elif parameter.positive and min(_as_list(value)) < 0:
        yield f"{key}: {value}: must not be negative"


def _wrong_surrogate(experiment: Experiment) -> Iterator[str]:
    section = experiment.model.synthetic
    assert section is not None
    if not section.module and section.name not in ARCHITECTURES:
        yield f"model.synthetic.name: {suggest(section.name, ARCHITECTURES)}"
    elif not section.module:
        module, options = ARCHITECTURE_OPTIONS[section.name]
        try:
            getattr(importlib.import_module(module), options).parse(section.architecture)
        except ConfigError as error:
            yield from str(error).splitlines()
    for specs in ("input_specs", "output_specs"):
        for name in getattr(section, specs):
            if name not in experiment.data.fields:
                known = suggest(name, experiment.data.fields)
                yield f"model.synthetic.{specs}.{name}: not in data.fields: {known}"
    for name, channels in section.output_specs.items():
        if section.input_specs.get(name, channels) != channels:
            yield (
                f"model.synthetic.output_specs.{name}: {channels}: model.synthetic.input_specs "
                f"says {section.input_specs[name]}"
            )


def _wrong_generation(experiment: Experiment) -> Iterator[str]:
    generation = experiment.generation_params
    assert generation is not None
    physical = experiment.model.physical
    name = generation.equation or (physical.name if physical else None)
    if name is None:
        yield "generation_params.equation: missing; it names the equation to simulate"
        return
    if name not in EQUATIONS and not (physical and physical.module):
        yield f"generation_params.equation: {suggest(name, EQUATIONS)}"
        return
    if set(generation.domain) - set(generation.resolution):
        yield (
            f"generation_params.domain: {sorted(generation.domain)}: the axes are those of "
            f"generation_params.resolution, {sorted(generation.resolution)}"
        )
    if any(side != "periodic" for side in _sides(experiment.data.boundary)):
        yield (
            f"data.boundary: {experiment.data.boundary!r}: generation_params simulates periodic "
            "boxes only"
        )
    if name not in EQUATIONS:
        return
    spec = EQUATIONS[name]
    key = "generation_params.parameters"
    yield from _wrong_values(key, spec, generation.parameters, [*generation.parameters])
    made = [*generated_fields(experiment), *generation.diagnostics]
    for field in experiment.data.fields:
        if field not in made:
            yield f"data.fields: {field!r}: generation_params makes no such field, but {made}"


def _sides(boundary: Any) -> list[Any]:
    """All that ``data.boundary`` says, whether for all axes, for each axis, or for each side."""
    if isinstance(boundary, Mapping):
        return [side for value in boundary.values() for side in _sides(value)]
    return [] if boundary is None else [boundary]


def _missing_simulations(experiment: Experiment, frames: Sequence[int | None]) -> Iterator[str]:
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


def _unsolvable(experiment: Experiment, grid: "Grid") -> Iterator[str]:
    """What keeps the physical model from running on the grid of the data."""
    section = experiment.model.physical
    assert section is not None
    if not grid.is_periodic:
        sides = dict(zip(grid.axes, map(list, grid.boundary), strict=True))
        yield (
            f"data.boundary: {sides}: {section.name} can be solved only where it is 'periodic' on "
            "every axis; run_params.model_type: synthetic needs no physical model"
        )
    values = {f"model.physical.pde_params.{name}": v for name, v in section.pde_params.items()}
    for position, parameter in enumerate(experiment.trainer_params.physical.learnable_parameters):
        key = f"trainer_params.learnable_parameters[{position}].initial_guess"
        values[key] = parameter.initial_guess
    for key, value in values.items():
        if isinstance(value, list) and len(value) != len(grid.axes):
            axes = ", ".join(grid.axes)
            yield f"{key}: {value}: the data have {len(grid.axes)} axes ({axes}), a number for each"


def _as_list(value: Number) -> list[float]:
    return value if isinstance(value, list) else [value]
