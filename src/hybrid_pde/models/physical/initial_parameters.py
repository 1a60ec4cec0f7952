"""Initial values of the parameters of an equation."""

from typing import Any

import torch

from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.config.error_messages import suggest
from hybrid_pde.config.schema import Experiment, LearnableParameter, Number
from hybrid_pde.errors import ConfigError


def initial_values(spec: EquationSpec, experiment: Experiment) -> dict[str, torch.Tensor]:
    """Every parameter of the equation in double precision: a number, or several numbers.

    A learnable parameter takes its ``initial_guess`` even if ``pde_params`` has a value, so that no
    calibration sees the true value by accident. The others take their value in ``pde_params``, else
    the equation's default.

    Raises:
        ConfigError: for an unknown name, a missing value, or one that is not allowed.
    """
    section = experiment.model.physical
    given = dict(section.pde_params) if section is not None else {}
    learnable = learnable_parameters(spec, experiment)
    for name in given:
        if name not in {**spec.parameters, **spec.options}:
            known = {**spec.parameters, **spec.options}
            raise ConfigError(f"model.physical.pde_params: {suggest(name, known)}")
    values = {}
    known_by_simulation = experiment.data.known_parameters
    for name, parameter in spec.parameters.items():
        value: Any
        if name in learnable:
            key, value = "initial_guess", starting_value(learnable[name])
        else:
            key, value = "model.physical.pde_params", given.get(name, parameter.default)
        if value is None and name in known_by_simulation:
            value = 0.0  # the values of the simulations take precedence
        if value is None:
            raise ConfigError(
                f"model.physical.pde_params.{name}: missing; {spec.name} needs it, there or as "
                "initial_guess of a learnable parameter"
            )
        values[name] = _checked(spec, name, value, key)
    return values


def learnable_parameters(
    spec: EquationSpec, experiment: Experiment
) -> dict[str, LearnableParameter]:
    """The learnable parameters by name, in the order of the experiment.

    Raises:
        ConfigError: if the equation has no parameter of that name, or one is given twice.
    """
    found: dict[str, LearnableParameter] = {}
    for parameter in experiment.trainer_params.physical.learnable_parameters:
        if parameter.name not in spec.parameters:
            raise ConfigError(
                f"trainer_params.learnable_parameters: {suggest(parameter.name, spec.parameters)}"
            )
        if parameter.name in found:
            raise ConfigError(
                f"trainer_params.learnable_parameters: {parameter.name!r} is given twice"
            )
        found[parameter.name] = parameter
    return found


def starting_value(parameter: LearnableParameter) -> Number:
    """Initial value: the guess, else the mean of the bounds, geometric if they are positive.

    The guess of a field is its background, from which the trainer constructs the field.
    """
    guess = parameter.initial_guess
    is_field = parameter.parametrization is not None
    if isinstance(guess, dict) or (is_field and not isinstance(guess, float)):
        return getattr(parameter.parametrization, "background", 0.0)
    if guess is not None:
        return guess
    lower, upper = parameter.bounds or (None, None)
    if lower is None or upper is None:
        raise ConfigError(
            f"trainer_params.learnable_parameters: {parameter.name}: without an initial_guess it "
            "needs both bounds"
        )
    return float((lower * upper) ** 0.5 if lower > 0 else (lower + upper) / 2)


def pde_options(spec: EquationSpec, experiment: Experiment) -> dict[str, bool]:
    """The equation's switches, from ``model.physical.pde_params`` or by default."""
    section = experiment.model.physical
    given = dict(section.pde_params) if section is not None else {}
    return {name: bool(given.get(name, default)) for name, default in spec.options.items()}


def _checked(spec: EquationSpec, name: str, value: Any, key: str) -> torch.Tensor:
    parameter = spec.parameters[name]
    tensor = torch.as_tensor(value, dtype=torch.float64)
    if tensor.ndim and not (parameter.per_axis or parameter.components):
        raise ConfigError(f"{key}: {name} = {value}: {name} is one number, not a list")
    if parameter.components and tensor.shape != (len(parameter.components),):
        raise ConfigError(
            f"{key}: {name} = {value}: it is a list of {', '.join(parameter.components)}"
        )
    if parameter.positive and bool((tensor < 0).any()):
        raise ConfigError(f"{key}: {name} = {value}: {name} must be zero or above")
    return tensor
