"""The Gray-Scott equations."""

from phi.torch.flow import math

from hybrid_pde.config.equations import EQUATIONS
from hybrid_pde.models.physical.coefficients import LinearTerms, Values
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.operators import Operators


@ModelRegistry.register_physical("GrayScottPDE")
class GrayScottPDE(PhysicalModel):
    """Autocatalysis a_t = D_a ∇²a − a b² + F (1 − a), b_t = D_b ∇²b + a b² − (F + K) b.

    Source: Pearson (1993), Science 261, 189-192.
    """

    spec = EQUATIONS["GrayScottPDE"]

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """Diffusion, reaction, feed and removal of both."""
        a, b = state["a"], state["b"]
        reaction = a * b * b
        feed, kill = parameters["feed"], parameters["kill"]
        diffusion_a = parameters["diffusivity_a"] * operators.laplacian(a)
        diffusion_b = parameters["diffusivity_b"] * operators.laplacian(b)
        return {
            "a": diffusion_a - reaction + feed * (1 - a),
            "b": diffusion_b + reaction - (feed + kill) * b,
        }

    def bound_reaction(self, state: Values, parameters: Values) -> math.Tensor:
        """A bound on the Jacobian's eigenvalues by its rows."""
        a, b = math.abs(state["a"]), math.abs(state["b"])
        reaction = 2 * a * b + b * b
        return reaction + math.abs(parameters["feed"]) + math.abs(parameters["kill"])

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """Diffusion, and the removal of both."""
        feed, kill = parameters["feed"], parameters["kill"]
        return {
            "a": {2: parameters["diffusivity_a"], 0: -feed},
            "b": {2: parameters["diffusivity_b"], 0: -feed - kill},
        }
