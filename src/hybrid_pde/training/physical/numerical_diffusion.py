"""What a scheme that smears the fields does to an estimate, said before it is made."""

import warnings

import torch
from phi.torch.flow import math

from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.physical.coefficients import wrap_parameter
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.numerics.semi_lagrangian import numerical_diffusivity
from hybrid_pde.training.physical.objective import Objective

_DIFFUSIVITY = "length²/time"


def warn_of_numerical_diffusion(objective: Objective) -> None:
    """Warn of advection along characteristics, and how much diffusion it amounts to.

    Args:
        objective: The fit at its start.
    """
    model = objective.model
    if not model.discretization.is_split:
        return
    try:
        amount = f"{largest_numerical_diffusivity(objective):.2g} {_DIFFUSIVITY}"
    except DivergenceError:
        return  # the calibration meets it at once, and knows what to do about it
    steps = f"at {model.substeps_used} time step(s) a frame"
    learned = [
        name
        for name in objective.vector.parameters
        if model.spec.parameters[name].unit == _DIFFUSIVITY
    ]
    if model.discretization.scheme == "semi_lagrangian":
        does = f"smears the fields like a diffusivity of up to {amount} {steps}"
        effect = f", which the estimate of {', '.join(learned)} lacks" if learned else ""
    else:
        does = (
            f"corrects a numerical diffusivity of up to {amount} {steps}, but not at extrema and "
            "not all of it"
        )
        effect = f"; the estimate of {', '.join(learned)} comes out too small" if learned else ""
    warnings.warn(
        f"model.physical.numerics.scheme: {model.discretization.scheme} {does}{effect}. It is for "
        "data that it made itself; finite_difference, spectral and weno smear less",
        stacklevel=4,
    )


@torch.no_grad()
def largest_numerical_diffusivity(objective: Objective) -> float:
    """The diffusivity that a semi-Lagrangian step amounts to [length²/time].

    The speed and the time step are those of the first frame of the first window.

    Raises:
        DivergenceError: if it diverges.
    """
    model, observations, grid = objective.model, objective.observations, objective.observations.grid
    parameters = objective.vector.decode(torch.from_numpy(objective.vector.read()))
    conditions = observations.conditions([0])
    rollout = model.rollout(
        observations.initial([0]),
        grid,
        1,
        [objective.dt],
        parameters,
        conditions=conditions,
    )
    next(rollout)  # which finds how many steps a frame takes
    own, _ = conditions.during(0, objective.dt)
    natives = {**parameters, **{name: value[0] for name, value in own.items()}}
    fields, _ = next(iter(observations))
    roles, specs = match_roles(model.spec, list(fields)), model.spec.parameters
    with math.precision(64):
        named = {
            name: wrap_parameter(value, specs[name].components, grid)
            for name, value in natives.items()
            if name in specs  # values at a boundary move nothing
        }
        state = {role: fields[name].values for role, name in roles.items()}
        speed = model.bound_speed(state, named)
    speeds = []
    for axis in grid.axes:
        along = speed.vector[axis] if "vector" in speed.shape else speed
        speeds.append(float(math.max(math.abs(along), along.shape)))
    spacing = [dx / model.discretization.refine for dx in grid.spacing]
    return numerical_diffusivity(speeds, spacing, objective.dt / model.substeps_used)
