"""Whether an experiment's parameters are those of its equation."""

from collections.abc import Iterator, Sequence

from src.config.equations import EQUATIONS, EquationSpec, ParameterSpec
from src.config.messages import refuse, suggest
from src.config.schema import Experiment, LearnableParameter, Number


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
    """A line for every mistake in ``model.physical`` and the parameters to be learned."""
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
    yield from wrong_values(
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


def wrong_values(
    key: str, spec: EquationSpec, values: dict[str, Number], given: Sequence[str]
) -> Iterator[str]:
    """A line for every value that the equation does not take, or lacks.

    Args:
        key: Where the values stand.
        spec: The equation.
        values: The values by parameter.
        given: All parameters that have a value, here or elsewhere.
    """
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


def _as_list(value: Number) -> list[float]:
    return value if isinstance(value, list) else [value]
