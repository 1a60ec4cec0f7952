"""Initial values of learnable parameters, given by the caller of a calibration."""

from collections.abc import Sequence
from typing import Any

import torch
from phi.torch.flow import math

from hybrid_pde.config.schema import Experiment
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical.physical_model import PhysicalModel


def learnable_values(experiment: Experiment, model: PhysicalModel) -> list[torch.nn.Parameter]:
    """The model's learnable parameters, in the order of the experiment."""
    learnable = experiment.trainer_params.physical.learnable_parameters
    return [model.get_parameter(parameter.name) for parameter in learnable]


def set_learnable(model: PhysicalModel, names: Sequence[str], values: Sequence[Any]) -> None:
    """Set the learnable parameters of a model.

    Args:
        model: The model.
        names: Names in the order of ``learnable_parameters``.
        values: A PhiML tensor, torch parameter or number for each name.

    Raises:
        ConfigError: for a wrong number of values, a wrong shape, or a value that is not finite.
    """
    if len(values) != len(names):
        raise ConfigError(
            f"learnable_params: {len(values)} given; learnable_parameters names {len(names)}: "
            f"{list(names)}; give one value for each"
        )
    model.set_parameters(
        {name: _value(model, name, value) for name, value in zip(names, values, strict=True)}
    )


def _value(model: PhysicalModel, name: str, value: Any) -> torch.Tensor:
    native = value.native(value.shape) if isinstance(value, math.Tensor) else value
    tensor = torch.as_tensor(native).detach().to(torch.float64)
    present = model.get_parameter(name)
    if tensor.shape == (1,) and present.ndim == 0:
        tensor = tensor[0]
    if tensor.ndim == 0:
        tensor = tensor.expand(present.shape)
    fits = tensor.shape == present.shape or (
        model.spec.parameters[name].per_axis and present.ndim == 0 and tensor.ndim == 1
    )
    if not fits:
        raise ConfigError(
            f"learnable_params: {name} has the shape {tuple(tensor.shape)}; that of the model is "
            f"{tuple(present.shape)}"
        )
    if not bool(torch.isfinite(tensor).all()):
        raise ConfigError(f"learnable_params: {name} = {tensor.tolist()} is not finite")
    return tensor
