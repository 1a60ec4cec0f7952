"""Whether an experiment's parameters are those of its equation."""

import re
from collections.abc import Iterator, Mapping, Sequence

from hybrid_pde.config.checks.calibration import learnable_key
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.equations import EquationSpec, ParameterSpec
from hybrid_pde.config.error_messages import refuse, suggest
from hybrid_pde.config.schema import Experiment, LearnableParameter, Number, PhysicalModelParams

BOUNDARY = re.compile(r"boundary\.[xyz]\.(lower|upper)")


def check_equation(experiment: Experiment, source: str, spec: EquationSpec) -> None:
    """Refuse fields and parameters that an equation of the user's own does not have.

    Args:
        experiment: The typed experiment.
        source: Its file, for the message.
        spec: What the equation's class says of itself.

    Raises:
        ConfigError: with a line for every one.
    """
    refuse(source, _wrong_names(experiment, spec))


def wrong_equation(experiment: Experiment) -> Iterator[str]:
    """A line for every name and value that the built-in equation does not have or take."""
    section = experiment.model.physical
    assert section is not None
    if section.module:
        return  # see check_equation: its names are known when its file is loaded
    equations = built_in_equations()
    if section.name not in equations:
        yield f"model.physical.name: {suggest(section.name, equations)}"
        return
    yield from _wrong_names(experiment, equations[section.name])


def _wrong_names(experiment: Experiment, spec: EquationSpec) -> Iterator[str]:
    section = experiment.model.physical
    assert section is not None
    learnable = experiment.trainer_params.physical.learnable_parameters
    for position, parameter in enumerate(learnable):
        key = learnable_key(position)
        if parameter.name not in spec.parameters:
            known = suggest(parameter.name, spec.parameters)
            yield f"{key}.name: no parameter of {spec.name}: {known}"
        else:
            yield from _wrong_learnable(key, spec.parameters[parameter.name], parameter)
    names = [parameter.name for parameter in learnable]
    brought = experiment.data.known_parameters
    given = [*section.pde_params, *names, *brought]
    if problem := staggered_conflict(section):
        yield problem
    yield from wrong_values("model.physical.pde_params", spec, section.pde_params, given)
    for name, source in brought.items():
        key = f"data.known_parameters.{name}: {source!r}"
        if name in names:
            yield (
                f"{key}: trainer_params.learnable_parameters[{names.index(name)}] learns it; "
                "leave one of them out"
            )
        elif name not in spec.parameters and not BOUNDARY.fullmatch(name):
            known = suggest(name, spec.parameters)
            yield f"{key}: no parameter of {spec.name}, no boundary.<axis>.<side>: {known}"
    played = fields_by_role(spec, experiment.data.fields)
    if missing := [role for role, field in played.items() if field is None]:
        yield (
            f"data.fields: {experiment.data.fields}: {spec.name} needs the fields {[*played]}; "
            f"there is none for {', '.join(missing)}"
        )


def staggered_conflict(section: PhysicalModelParams) -> str | None:
    """Why the velocity cannot stand on the faces of cells; ``None`` if it can, or need not.

    Args:
        section: The equation; its option ``staggered`` chooses the scheme.
    """
    numerics = section.numerics
    fits = numerics.scheme in ("auto", "finite_difference") and numerics.order in (None, 2)
    if fits or not section.pde_params.get("staggered"):
        return None
    scheme = (
        numerics.scheme if numerics.order is None else f"{numerics.scheme}, order {numerics.order}"
    )
    return (
        f"model.physical.numerics: {scheme}: with pde_params.staggered: true the equation is "
        "solved by differences of order 2; leave scheme and order out"
    )


def fields_by_role(spec: EquationSpec, names: Sequence[str]) -> dict[str, str | None]:
    """The data field of every role: that of its name, else the next one left in order.

    Args:
        spec: The equation.
        names: The fields of the data.

    Returns:
        Field by role, ``None`` where there is none; optional roles that are not played are left
        out.
    """
    roles = [r.name for r in spec.fields if not r.is_optional or r.name in names]
    left = iter([name for name in names if name not in roles])
    return {role: role if role in names else next(left, None) for role in roles}


def wrong_values(
    key: str, spec: EquationSpec, values: Mapping[str, bool | Number], given: Sequence[str]
) -> Iterator[str]:
    """A line for every value that the equation does not take, or lacks.

    Args:
        key: Where the values stand.
        spec: The equation.
        values: The values by parameter.
        given: All parameters that have a value, here or elsewhere.
    """
    for name, value in values.items():
        if name in spec.options:
            if value not in (True, False):
                yield f"{key}.{name}: {value}: it is true or false"
        elif name not in spec.parameters:
            known = suggest(name, {**spec.parameters, **spec.options})
            yield f"{key}.{name}: no parameter of {spec.name}: {known}"
        else:
            yield from _wrong_value(f"{key}.{name}", spec.parameters[name], value)
    for name, parameter in spec.parameters.items():
        if parameter.default is None and name not in given:
            yield f"{key}.{name}: missing; {spec.name} ({spec.formula}) has no default for it"


def _wrong_learnable(key: str, spec: ParameterSpec, parameter: LearnableParameter) -> Iterator[str]:
    name, guess = parameter.name, parameter.initial_guess
    lower, upper = parameter.bounds or (None, None)
    if spec.positive and ((lower or 0.0) < 0 or (upper is not None and upper <= 0)):
        yield (
            f"{key}.bounds: {[lower, upper]}: {name} is zero or above, with negative values every "
            "solution grows without limit; the lower bound is 0 or above, the upper one above 0"
        )
    if parameter.parametrization is not None:
        if not spec.is_field:
            kind = parameter.parametrization.type
            yield f"{key}.parametrization: {kind}: {name} is no field; leave it out"
    elif guess is None and spec.components:
        yield f"{key}.initial_guess: missing; it is a list of {', '.join(spec.components)}"
    elif guess is not None and not isinstance(guess, dict):
        yield from _wrong_value(f"{key}.initial_guess", spec, guess)


def _wrong_value(key: str, parameter: ParameterSpec, value: bool | Number) -> Iterator[str]:
    numbers = _as_list(value)
    if parameter.components and len(numbers) != len(parameter.components):
        yield f"{key}: {value}: it is a list of {', '.join(parameter.components)}"
    elif isinstance(value, list) and not ((parameter.per_axis or parameter.components) and value):
        expected = "a list of one number an axis" if parameter.per_axis else "one number, no list"
        yield f"{key}: {value}: it is {expected}"
    elif isinstance(value, bool):
        yield f"{key}: {value}: it is a number"
    elif parameter.positive and min(numbers) < 0:
        yield f"{key}: {value}: must not be negative"


def _as_list(value: Number) -> list[float]:
    return value if isinstance(value, list) else [value]
