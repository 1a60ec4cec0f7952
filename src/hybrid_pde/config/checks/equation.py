"""Checks of parameters and fields against the equation."""

import re
from collections.abc import Iterator, Mapping, Sequence

from hybrid_pde.config.checks.calibration import learnable_key
from hybrid_pde.config.derived import stages_trained
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.equations import EquationSpec, ParameterSpec
from hybrid_pde.config.error_messages import raise_errors, suggest, suggest_model
from hybrid_pde.config.schema import Experiment, LearnableParameter, Number, PhysicalModelParams

# Schemes that replace central differences of the advection.
ADVECTION_SCHEMES = ("weno", "semi_lagrangian", "mac_cormack")
BOUNDARY = re.compile(r"boundary\.[xyz]\.(lower|upper)")


def check_equation(experiment: Experiment, source: str, spec: EquationSpec) -> None:
    """Check fields and parameters against a user-defined equation.

    Args:
        experiment: The typed experiment.
        source: File of the experiment, for error messages.
        spec: Specification of the equation.

    Raises:
        ConfigError: with a line for each mismatch.
    """
    raise_errors(source, _parameter_errors(experiment, spec))


def equation_errors(experiment: Experiment) -> Iterator[str]:
    """Errors for names and values that do not fit the built-in equation."""
    section = experiment.model.physical
    assert section is not None
    if section.module:
        return  # checked by check_equation when its file is loaded
    equations = built_in_equations()
    if section.name not in equations:
        yield f"model.physical.name: {suggest_model('model.physical', section.name, equations)}"
        return
    yield from _parameter_errors(experiment, equations[section.name])


def _parameter_errors(experiment: Experiment, spec: EquationSpec) -> Iterator[str]:
    section = experiment.model.physical
    assert section is not None
    learnable = experiment.trainer_params.physical.learnable_parameters
    for position, parameter in enumerate(learnable):
        key = learnable_key(position)
        if parameter.name not in spec.parameters:
            known = suggest(parameter.name, spec.parameters)
            yield f"{key}.name: not a parameter of {spec.name}: {known}"
        else:
            yield from _learnable_errors(key, spec.parameters[parameter.name], parameter)
    names = [parameter.name for parameter in learnable]
    # of these, the files may state values to compare with
    own = [parameter.name for parameter in learnable if parameter.per_simulation]
    known_sources = experiment.data.known_parameters
    given = [*section.pde_params, *names, *known_sources]
    is_calibrated = "physical" in stages_trained(experiment)
    if is_calibrated and (not names or not spec.parameters.keys() >= {*names}):
        given += spec.parameters  # one of them is probably what is missing, or misspelt, there
    if problem := staggered_conflict(section):
        yield problem
    yield from scheme_errors(spec, section.numerics.scheme)
    yield from parameter_value_errors("model.physical.pde_params", spec, section.pde_params, given)
    for name, source in known_sources.items():
        key = f"data.known_parameters.{name}: {source!r}"
        if name in names and name not in own:
            yield (
                f"{key}: trainer_params.learnable_parameters[{names.index(name)}] learns it; "
                "remove one of them, or set per_simulation: true there, which compares each "
                "simulation's estimate with its value"
            )
        elif name not in spec.parameters and not BOUNDARY.fullmatch(name):
            known = suggest(name, spec.parameters)
            yield f"{key}: neither a parameter of {spec.name} nor boundary.<axis>.<side>: {known}"
    matched = fields_by_role(spec, experiment.data.fields)
    if missing := [role for role, field in matched.items() if field is None]:
        yield (
            f"data.fields: {experiment.data.fields}: {spec.name} needs the fields {[*matched]}; "
            f"no field found for {', '.join(missing)}"
        )


def staggered_conflict(section: PhysicalModelParams) -> str | None:
    """Error if the numerics do not support a staggered velocity, else ``None``.

    Args:
        section: The physical model; its option ``staggered`` puts the velocity on cell faces.
    """
    numerics = section.numerics
    fits = numerics.scheme in ("auto", "finite_difference") and numerics.order in (None, 2)
    if fits or not section.pde_params.get("staggered"):
        return None
    scheme = (
        numerics.scheme if numerics.order is None else f"{numerics.scheme}, order {numerics.order}"
    )
    return (
        f"model.physical.numerics: {scheme}: pde_params.staggered: true needs "
        "finite_difference of order 2; leave scheme and order out"
    )


def scheme_errors(spec: EquationSpec, scheme: str) -> Iterator[str]:
    """Error for a scheme that leaves out terms of the equation.

    Args:
        spec: The equation.
        scheme: ``model.physical.numerics.scheme``.
    """
    if scheme in ADVECTION_SCHEMES and not spec.is_advective:
        yield (
            f"model.physical.numerics.scheme: {scheme}: it has a scheme of its own for advection "
            f"only, and the transport of {spec.name} is by waves; allowed: auto, "
            "finite_difference, spectral"
        )


def domain_errors(
    spec: EquationSpec,
    axes: Sequence[str],
    sides: Sequence[str | float],
    key: str = "model.physical.name",
) -> Iterator[str]:
    """Errors for a domain on which the equation cannot be solved.

    Args:
        spec: The equation.
        axes: Names of the spatial axes.
        sides: Boundary conditions of all of them.
        key: Key that names the equation.
    """
    if len(axes) not in spec.dims:
        count = "one axis" if len(axes) == 1 else f"{len(axes)} axes"
        allowed = " or ".join(map(str, spec.dims))
        yield (
            f"{key}: {spec.name}: the data have {count} ({', '.join(axes)}), the equation needs "
            f"{allowed}; choose another equation for them"
        )
    if spec.is_periodic and (walls := [side for side in sides if side != "periodic"]):
        yield (
            f"{key}: {spec.name}: it needs 'periodic' on every axis, data.boundary has "
            f"{walls[0]!r}; choose another equation for data with walls"
        )


def fields_by_role(spec: EquationSpec, names: Sequence[str]) -> dict[str, str | None]:
    """Match the fields of the data to the fields of the equation, by name, then by order.

    Args:
        spec: The equation.
        names: Fields of the data.

    Returns:
        Data field by role, ``None`` if no field is left. Optional roles without a field of their
        name are omitted.
    """
    roles = [r.name for r in spec.fields if not r.is_optional or r.name in names]
    left = iter([name for name in names if name not in roles])
    return {role: role if role in names else next(left, None) for role in roles}


def parameter_value_errors(
    key: str, spec: EquationSpec, values: Mapping[str, bool | Number], given: Sequence[str]
) -> Iterator[str]:
    """Errors for parameter values that are invalid or missing.

    Args:
        key: Key of the values.
        spec: The equation.
        values: Value of each parameter.
        given: All parameters with a value, here or elsewhere.
    """
    for name, value in values.items():
        if name in spec.options:
            if value not in (True, False):
                yield f"{key}.{name}: {value}: must be true or false"
        elif name not in spec.parameters:
            known = suggest(name, {**spec.parameters, **spec.options})
            yield f"{key}.{name}: not a parameter of {spec.name}: {known}"
        else:
            yield from _value_errors(f"{key}.{name}", spec.parameters[name], value)
    for name, parameter in spec.parameters.items():
        if parameter.default is None and name not in given:
            yield (
                f"{key}.{name}: missing; {spec.name} ({spec.formula}) has no default for it; give "
                "a value"
            )


def parameter_range_errors(
    key: str, spec: EquationSpec, ranges: Mapping[str, tuple[float, float]]
) -> Iterator[str]:
    """Errors for ranges that values of parameters are drawn from.

    Args:
        key: Key of the ranges.
        spec: The equation.
        ranges: Lower and upper end of each parameter's range.
    """
    for name, (lower, upper) in ranges.items():
        here = f"{key}.{name}"
        if name not in spec.parameters:
            yield f"{here}: not a parameter of {spec.name}: {suggest(name, spec.parameters)}"
            continue
        parameter = spec.parameters[name]
        if lower >= upper:
            yield f"{here}: {[lower, upper]}: the lower end must be less than the upper end"
        elif parameter.positive and lower < 0:
            yield f"{here}: {[lower, upper]}: must not be negative"
        if parameter.components:
            yield (
                f"{here}: {[lower, upper]}: has the components {', '.join(parameter.components)}, "
                "but a range needs a single number; leave it out"
            )


def _learnable_errors(
    key: str, spec: ParameterSpec, parameter: LearnableParameter
) -> Iterator[str]:
    name, guess = parameter.name, parameter.initial_guess
    if parameter.per_simulation and spec.components:
        yield (
            f"{key}.per_simulation: true: {name} has the components {', '.join(spec.components)}, "
            "and only single numbers, or a number for each axis, can differ between simulations; "
            "leave it out, or set the value in model.physical.pde_params"
        )
    lower, upper = parameter.bounds or (None, None)
    if spec.positive and ((lower or 0.0) < 0 or (upper is not None and upper <= 0)):
        yield (
            f"{key}.bounds: {[lower, upper]}: {name} must not be negative, since solutions would "
            "grow without limit; use a lower bound of at least 0 and an upper bound above 0"
        )
    if parameter.parametrization is not None:
        if not spec.is_field:
            kind = parameter.parametrization.type
            yield f"{key}.parametrization: {kind}: {name} cannot be a field; leave it out"
    elif guess is None and spec.components:
        yield f"{key}.initial_guess: missing; give a list of {', '.join(spec.components)}"
    elif guess is not None and not isinstance(guess, dict):
        yield from _value_errors(f"{key}.initial_guess", spec, guess)


def _value_errors(key: str, parameter: ParameterSpec, value: bool | Number) -> Iterator[str]:
    numbers = _as_list(value)
    if parameter.components and len(numbers) != len(parameter.components):
        yield f"{key}: {value}: must be a list of {', '.join(parameter.components)}"
    elif isinstance(value, list) and not ((parameter.per_axis or parameter.components) and value):
        expected = "a list with one number per axis" if parameter.per_axis else "a single number"
        yield f"{key}: {value}: must be {expected}"
    elif isinstance(value, bool):
        yield f"{key}: {value}: must be a number"
    elif parameter.positive and min(numbers) < 0:
        yield f"{key}: {value}: must not be negative"


def _as_list(value: Number) -> list[float]:
    return value if isinstance(value, list) else [value]
