"""The advection-diffusion equation."""

from hybrid_pde.config.equations import EQUATIONS
from hybrid_pde.models.physical.coefficients import LinearTerms, Values
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.operators import Operators


@ModelRegistry.register_physical("AdvectionDiffusionPDE")
class AdvectionDiffusionPDE(PhysicalModel):
    """Transport of a scalar, c_t + v·∇c = D ∇²c, with a velocity v uniform in space or a field.

    Source: LeVeque (2007), Finite Difference Methods for ODEs and PDEs, section 10.
    """

    spec = EQUATIONS["AdvectionDiffusionPDE"]

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """D ∇²c − v·∇c."""
        c = state["concentration"]
        diffusion = parameters["diffusivity"] * operators.laplacian(c)
        return {"concentration": diffusion - operators.advect(parameters["velocity"], c)}

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """D ∇²c, and −v·∇c where v is uniform."""
        terms = {2: parameters["diffusivity"]}
        velocity = parameters["velocity"]
        if not velocity.shape.spatial:
            terms[1] = -velocity
        return {"concentration": terms}
