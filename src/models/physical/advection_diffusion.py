"""The advection-diffusion equation."""

from src.config.equations import EQUATIONS
from src.models.physical.physical_model import PhysicalModel
from src.models.physical.stepper import Values
from src.models.registry import ModelRegistry
from src.numerics.discretization import Operators


@ModelRegistry.register_physical("AdvectionDiffusionPDE")
class AdvectionDiffusionPDE(PhysicalModel):
    """Transport of a scalar, c_t + v·∇c = D ∇²c, with a uniform velocity v.

    Source: LeVeque (2007), Finite Difference Methods for ODEs and PDEs, section 10.
    """

    spec = EQUATIONS["AdvectionDiffusionPDE"]

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """D ∇²c − v·∇c."""
        c = state["concentration"]
        diffusion = parameters["diffusivity"] * operators.laplacian(c)
        return {"concentration": diffusion - operators.advect(parameters["velocity"], c)}
