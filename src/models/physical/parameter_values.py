"""The values that an equation's parameters start from."""

import torch

from src.config.equations import EquationSpec
from src.config.messages import suggest
from src.config.schema import Experiment, LearnableParameter, Number
from src.errors import ConfigError


def initial_values(spec: EquationSpec, experiment: Experiment) -> dict[str, torch.Tensor]:
    """Every parameter of the equation in double precision, scalar or one number an axis.

    A learnable parameter takes its ``initial_guess``, whatever ``pde_params`` says, so that no
    calibration sees the true value by accident; the others take ``pde_params``, else the
    equation's default.

    Raises:
        ConfigError: for an unknown name, a missing or meaningless value.
    """
    section = experiment.model.physical
    given = dict(section.pde_params) if section is not None else {}
    learnable = learnable_parameters(spec, experiment)
    for name in given:
        if name not in spec.parameters:
            raise ConfigError(f"model.physical.pde_params: {suggest(name, spec.parameters)}")
    values = {}
    for name, parameter in spec.parameters.items():
        value: Number | None
        if name in learnable:
            key, value = "initial_guess", learnable[name].initial_guess
        else:
            key, value = "model.physical.pde_params", given.get(name, parameter.default)
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
    """The parameters to be estimated, by name and in the order of the experiment.

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


def _checked(spec: EquationSpec, name: str, value: Number, key: str) -> torch.Tensor:
    parameter = spec.parameters[name]
    tensor = torch.as_tensor(value, dtype=torch.float64)
    if tensor.ndim and not parameter.per_axis:
        raise ConfigError(f"{key}: {name} = {value}: {name} is one number, not a list")
    if parameter.positive and bool((tensor < 0).any()):
        raise ConfigError(f"{key}: {name} = {value}: {name} must be zero or above")
    return tensor
