"""Warning of numerical diffusion in calibrations with semi-Lagrangian schemes."""

import torch
from phi.torch.flow import math

from hybrid_pde.data.field_conversion import to_values
from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.physical.coefficients import wrap_parameter
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.numerics.semi_lagrangian import numerical_diffusivity
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.physical.objective import Objective

_DIFFUSIVITY = "length²/time"


def warn_of_numerical_diffusion(objective: Objective) -> None:
    """Warn if the scheme is semi-Lagrangian, with its numerical diffusivity.

    Args:
        objective: The objective at the start of the calibration.
    """
    model = objective.model
    if not model.discretization.is_split:
        return
    try:
        amount = f"{largest_numerical_diffusivity(objective):.2g} {_DIFFUSIVITY}"
    except DivergenceError:
        return  # the calibration itself will report the divergence
    steps = f"at {model.substeps_used} time step(s) per frame"
    learned = [
        name
        for name in objective.vector.parameters
        if model.spec.parameters[name].unit == _DIFFUSIVITY
    ]
    if model.discretization.scheme == "semi_lagrangian":
        diffusion = f"has a numerical diffusivity of up to {amount} {steps}"
        bias = f", by which the estimate of {', '.join(learned)} is too small" if learned else ""
    else:
        diffusion = (
            f"corrects a numerical diffusivity of up to {amount} {steps}, but only in part and not "
            "at extrema"
        )
        bias = f"; the estimate of {', '.join(learned)} is too small" if learned else ""
    warn_of_result(
        f"model.physical.numerics.scheme: {model.discretization.scheme} {diffusion}{bias}. "
        "Use it only for data generated with the same scheme; finite_difference, spectral and weno "
        "are less diffusive"
    )


@torch.no_grad()
def largest_numerical_diffusivity(objective: Objective) -> float:
    """Largest numerical diffusivity of a semi-Lagrangian step [length²/time].

    Evaluated with the speed and the time step of the first frame of the first window.

    Raises:
        DivergenceError: if the rollout diverges.
    """
    model, observations, grid = objective.model, objective.observations, objective.observations.grid
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    conditions = observations.conditions([0])
    initial = observations.initial([0])
    rollout = model.rollout(
        initial,
        grid,
        1,
        [objective.dt],
        parameters,
        conditions=conditions,
    )
    next(rollout)  # determines the number of steps per frame
    own, _ = conditions.during(0, objective.dt)
    natives = {**parameters, **{name: value[0] for name, value in own.items()}}
    roles, specs = match_roles(model.spec, list(initial)), model.spec.parameters
    with math.precision(64):
        named = {
            name: wrap_parameter(value, specs[name].components, grid)
            for name, value in natives.items()
            if name in specs  # excludes boundary values
        }
        state = {
            role: to_values(initial[name][0], grid, observations.layouts[name])
            for role, name in roles.items()
        }
        speed = model.speed_on_grid(state, named, model.discretization.operators(grid))
    speeds = []
    for axis in grid.axes:
        along = speed.vector[axis] if "vector" in speed.shape else speed
        speeds.append(float(math.max(math.abs(along), along.shape)))
    spacing = [dx / model.discretization.refine for dx in grid.spacing]
    return numerical_diffusivity(speeds, spacing, objective.dt / model.substeps_used)
