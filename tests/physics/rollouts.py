"""Rollouts of built-in equations and measured orders of convergence for the tests."""

from collections.abc import Callable, Mapping
from math import log
from typing import Any

import torch
from phi.torch.flow import math

from hybrid_pde.domain.grid import Grid
from hybrid_pde.models.physical.coefficients import Coefficients, Natives
from hybrid_pde.models.physical.field_roles import role_layouts
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.physical.stepper import Stepper
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.discretization import Discretization
from tests.physics.periodic_box import physical_config

DIFFERENCES = [Discretization("finite_difference", order) for order in (2, 4, 6)]
SPECTRAL = Discretization("spectral", 4)
# Orders of accuracy with and without nodes on the walls: half of the combinations, and two of them.
ODD_WALLS = list(zip(DIFFERENCES, (False, True, False), strict=True))
EVEN_WALLS = list(zip(DIFFERENCES, (True, False, True), strict=True))
TWO_WALLS = [(DIFFERENCES[1], False), (DIFFERENCES[2], True)]
LABEL = {"ids": lambda value: getattr(value, "label", None)}


def model_of(
    name: str,
    parameters: Mapping[str, Any],
    scheme: Discretization = DIFFERENCES[1],
    **numerics: Any,
) -> PhysicalModel:
    """A built-in equation with its parameters; parameters that are fields are set afterwards."""
    fields = {key: v for key, v in parameters.items() if isinstance(v, torch.Tensor)}
    numbers = {key: 0.0 if key in fields else value for key, value in parameters.items()}
    model = ModelRegistry(physical_config(name, numbers, numerics=numerics)).get_physical_model()
    model.set_parameters(fields)
    model.discretization = scheme
    return model


def final_state(model: PhysicalModel, start: Any, grid: Grid, steps: int, dt: float) -> Any:
    """The last frame of a rollout."""
    *_, last = model.rollout(start, grid, steps, dt)
    return last


def measured_order(error: Callable[[int], float], coarse: int, fine: int) -> float:
    """Order of convergence of the error between ``coarse`` and ``fine`` cells per axis."""
    return log(error(coarse) / error(fine)) / log(fine / coarse)


def has_order_at_walls(measured: float, order: int) -> bool:
    """True if the measured order is within 0.2 of the stated one; 4 and 6 may be exceeded by 1.1.

    The error of the ghost points shrinks one power faster than that of the interior stencil,
    and dominates on coarse grids.
    """
    return order - 0.2 < measured < order + (0.2 if order == 2 else 1.1)


def rate_of(model: PhysicalModel, state: Mapping[str, torch.Tensor], grid: Grid) -> Natives:
    """The time derivative of fields ``[C, *space]`` by role, without a time step."""
    with math.precision(64):
        layouts = {r: e for r, e in role_layouts(model.spec, grid).items() if r in state}
        stepper = Stepper(model, grid, layouts, model.discretization, torch.float64)
        values = stepper.to_values({role: u.unsqueeze(0) for role, u in state.items()})
        parameters = {name: value.detach() for name, value in model.named_parameters()}
        rates = model.rate(values, stepper.wrap(Coefficients(parameters)), stepper.operators)
        held = {role: stepper.operators.hold(rate, {}) for role, rate in rates.items()}
        return {role: rate[0] for role, rate in stepper.to_natives(held).items()}


def root_mean_square(error: torch.Tensor) -> float:
    """Root mean square over all points."""
    return float(error.square().mean().sqrt())
