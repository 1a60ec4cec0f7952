"""Single steps of a torch optimizer on the parameters of a physical model."""

from collections.abc import Mapping, Sequence

import torch
from phi.torch.flow import Field, math

from src.data.fields import from_field, grid_of, layout_of
from src.errors import DivergenceError
from src.models.physical.physical_model import PhysicalModel
from src.models.physical.roles import match_roles
from src.training.physical.observations import Observations
from src.training.physical.parameter_vector import ParameterVector


def create_optimizer(
    model: PhysicalModel, vector: ParameterVector, method: str, learning_rate: float
) -> torch.optim.Optimizer:
    """Adam or gradient descent whose learning rate is relative to the initial guess.

    With z = θ/s, a step of Adam is independent of the gradient's size, so that its rate for θ is
    s times that for z; a step of gradient descent is proportional to ∂/∂θ = (1/s) ∂/∂z: s² times.
    """
    power = 1 if method == "adam" else 2
    groups = []
    for name in vector.parameters:
        scale = max(s for s, owner in zip(vector.scale, vector.names, strict=True) if owner == name)
        groups.append(
            {"params": [model.get_parameter(name)], "lr": learning_rate * float(scale) ** power}
        )
    return torch.optim.Adam(groups) if method == "adam" else torch.optim.SGD(groups)


def sample_loss(
    model: PhysicalModel,
    initial_fields: Mapping[str, Field],
    target_fields: Mapping[str, Sequence[Field]],
    dt: float,
    observations: Observations | None,
) -> torch.Tensor:
    """Mean square of (prediction − target)/scale over one sample's frames.

    With ``observations`` given, scales are theirs, and a frame that is a target in several windows
    counts once over all of them; else the scale is one.

    Raises:
        DivergenceError: if the rollout leaves the finite numbers.
    """
    fields = list(match_roles(model.spec, list(initial_fields)).values())
    grid = grid_of(initial_fields[fields[0]])
    layouts = {name: layout_of(name, initial_fields[name]) for name in fields}
    with math.precision(64):  # otherwise PhiFlow casts to single precision
        state = {name: from_field(initial_fields[name], grid, layouts[name]) for name in fields}
        targets = {
            name: [from_field(frame, grid, layouts[name]) for frame in target_fields[name]]
            for name in fields
        }
    steps = len(target_fields[fields[0]])
    parameters = dict(model.named_parameters())
    total, count = torch.zeros((), dtype=torch.float64), 0
    for frame, predicted in enumerate(model.rollout(state, grid, steps, dt, parameters)):
        for name in fields:
            target = targets[name][frame]
            scale, repeats = 1.0, 1
            if observations is not None:
                scale = observations.scale[name]
                repeats = observations.count_of(name, target)
            residual = (predicted[name] - target.to(predicted[name].dtype)) / scale
            total = total + (residual**2).sum() / repeats
            count += target.numel()
    return total / count


def check_gradients(model: PhysicalModel, names: Sequence[str]) -> None:
    """Refuse a step on gradients that are not finite.

    Raises:
        DivergenceError: naming the parameter and its value.
    """
    for name in names:
        parameter = model.get_parameter(name)
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            raise DivergenceError(
                f"{model.spec.name}: the gradient by {name} is not finite at {parameter.tolist()}"
            )
