"""The Allen-Cahn equation."""

from phi.torch.flow import math

from hybrid_pde.config.equations import EQUATIONS
from hybrid_pde.models.physical.coefficients import LinearTerms, Values
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.operators import Operators


@ModelRegistry.register_physical("AllenCahnPDE")
class AllenCahnPDE(PhysicalModel):
    """Phase separation u_t = D ∇²u + r (u − u³), with the stable phases u = ±1.

    The walls between phases are about √(8 D / r) wide and need a few points.

    Source: Allen and Cahn (1979), Acta Metallurgica 27, 1085-1095.
    """

    spec = EQUATIONS["AllenCahnPDE"]

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """D ∇²u + r (u − u³)."""
        u = state["u"]
        reaction = parameters["reaction_rate"] * (u - u * u * u)
        return {"u": parameters["diffusivity"] * operators.laplacian(u) + reaction}

    def bound_reaction(self, state: Values, parameters: Values) -> math.Tensor:
        """Derivative of the reaction, r (1 − 3u²)."""
        return parameters["reaction_rate"] * (1 - 3 * state["u"] ** 2)

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """D ∇²u."""
        return {"u": {2: parameters["diffusivity"]}}
