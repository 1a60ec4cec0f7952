"""The Fisher-KPP equation."""

from phi.torch.flow import math

from hybrid_pde.config.equations import EQUATIONS
from hybrid_pde.models.physical.coefficients import LinearTerms, Values
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.operators import Operators


@ModelRegistry.register_physical("FisherKPPPDE")
class FisherKPPPDE(PhysicalModel):
    """Spreading of a population u_t = D ∇²u + r u (1 − u), u between 0 and 1.

    Fronts move with at least the speed 2√(D r) and are about √(D / r) wide.

    Source: Murray (2002), Mathematical Biology I, section 13.2.
    """

    spec = EQUATIONS["FisherKPPPDE"]

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """D ∇²u + r u (1 − u)."""
        u = state["u"]
        growth = parameters["growth_rate"] * (u - u * u)
        return {"u": parameters["diffusivity"] * operators.laplacian(u) + growth}

    def bound_reaction(self, state: Values, parameters: Values) -> math.Tensor:
        """Derivative of the growth, r (1 − 2u)."""
        return parameters["growth_rate"] * (1 - 2 * state["u"])

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """D ∇²u."""
        return {"u": {2: parameters["diffusivity"]}}
