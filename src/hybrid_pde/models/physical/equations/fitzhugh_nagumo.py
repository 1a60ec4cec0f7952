"""The FitzHugh-Nagumo equations."""

from phi.torch.flow import math

from hybrid_pde.config.equations import EQUATIONS
from hybrid_pde.models.physical.coefficients import LinearTerms, Values
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.operators import Operators


@ModelRegistry.register_physical("FitzHughNagumoPDE")
class FitzHughNagumoPDE(PhysicalModel):
    """Activator and inhibitor: u_t = D_u ∇²u + u − u³ − k − v, v_t = D_v ∇²v + u − v.

    Time is measured in units of the reaction, whose rates are 1.

    Source: Klaasen and Troy (1984), SIAM J. Appl. Math. 44, 96-110; the form is that of Takamoto et
    al. (2022), PDEBench, section 3.
    """

    spec = EQUATIONS["FitzHughNagumoPDE"]

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """Diffusion and reaction of both."""
        u, v = state["u"], state["v"]
        diffusion_u = parameters["diffusivity_u"] * operators.laplacian(u)
        diffusion_v = parameters["diffusivity_v"] * operators.laplacian(v)
        return {
            "u": diffusion_u + u - u * u * u - parameters["threshold"] - v,
            "v": diffusion_v + u - v,
        }

    def bound_reaction(self, state: Values, parameters: Values) -> math.Tensor:
        """A bound on the Jacobian's eigenvalues by its rows, |1 − 3u²| + 1 and 2."""
        return math.maximum(math.abs(1 - 3 * state["u"] ** 2) + 1, 2.0)

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """Diffusion of both."""
        return {
            "u": {2: parameters["diffusivity_u"]},
            "v": {2: parameters["diffusivity_v"]},
        }
