"""Burgers' equation."""

from phi.torch.flow import math

from src.config.equations import EQUATIONS
from src.models.physical.physical_model import PhysicalModel
from src.models.physical.stepper import Values
from src.models.registry import ModelRegistry
from src.numerics.discretization import Operators


@ModelRegistry.register_physical("BurgersPDE")
class BurgersPDE(PhysicalModel):
    """Burgers' equation u_t + a (u·∇)u = ν ∇²u, u a vector with a component for each axis.

    Shocks are about 4ν/(a Δu) wide; where that is less than a few spacings, the schemes oscillate.

    Source: Burgers (1948), Advances in Applied Mechanics 1, 171-199.
    """

    spec = EQUATIONS["BurgersPDE"]

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """ν ∇²u − a (u·∇)u."""
        u = state["velocity"]
        diffusion = parameters["viscosity"] * operators.laplacian(u)
        return {"velocity": diffusion - parameters["advection"] * operators.advect(u, u)}

    def bound_speed(self, state: Values, parameters: Values) -> math.Tensor:
        """Velocity of advection, a u."""
        return parameters["advection"] * state["velocity"]
