"""The diffusion equation."""

from hybrid_pde.config.equations import EQUATIONS
from hybrid_pde.models.physical.coefficients import LinearTerms, Values
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.operators import Operators


@ModelRegistry.register_physical("DiffusionPDE")
class DiffusionPDE(PhysicalModel):
    """Diffusion u_t = ∇·(κ∇u), or u_t = κ ∇²u with the option ``conservative: false``.

    κ is a number or a field; for a number both forms are the same. The first form keeps the total
    of u where nothing crosses the boundary.

    Source: Crank (1975), The Mathematics of Diffusion, section 1.
    """

    spec = EQUATIONS["DiffusionPDE"]

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """∇·(κ∇u) or κ ∇²u."""
        u, diffusivity = state["u"], parameters["diffusivity"]
        if self.options["conservative"]:
            return {"u": operators.diffuse(diffusivity, u)}
        return {"u": diffusivity * operators.laplacian(u)}

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """κ ∇²u where κ is a number."""
        diffusivity = parameters["diffusivity"]
        return {} if diffusivity.shape.spatial else {"u": {2: diffusivity}}
