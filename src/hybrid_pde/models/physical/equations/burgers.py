"""Burgers' equation."""

from phi.torch.flow import channel, math

from hybrid_pde.config.equations import EQUATIONS
from hybrid_pde.models.physical.coefficients import LinearTerms, Values
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.operators import Operators


@ModelRegistry.register_physical("BurgersPDE")
class BurgersPDE(PhysicalModel):
    """Burgers' equation u_t + a (u·∇)u = ν ∇²u − ∇φ, u a vector with a component for each axis.

    Shocks are about 4ν/(a Δu) wide; where that is less than a few spacings, the differences and the
    spectral scheme oscillate, and ``weno`` is the scheme to take.

    Source: Burgers (1948), Advances in Applied Mechanics 1, 171-199.
    """

    spec = EQUATIONS["BurgersPDE"]

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """ν ∇²u − a (u·∇)u − ∇φ."""
        u = state["velocity"]
        rate = parameters["viscosity"] * operators.laplacian(u)
        rate = rate - parameters["advection"] * operators.advect(u, u)
        potential = parameters["potential"]
        if potential.shape.spatial:  # a number has no gradient
            axes = operators.grid.axes
            slopes = [operators.gradient(potential, axis) for axis in axes]
            rate = rate - math.stack(slopes, channel(vector=",".join(axes)))
        return {"velocity": rate}

    def bound_speed(self, state: Values, parameters: Values) -> math.Tensor:
        """Velocity of advection, a u."""
        return parameters["advection"] * state["velocity"]

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """ν ∇²u."""
        return {"velocity": {2: parameters["viscosity"]}}
