"""The Fisher-KPP equation."""

from phiml import math

from hybrid_pde.config.equations import ISOTROPIC, EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.models.physical.equation import Equation, LinearTerms, Values
from hybrid_pde.numerics.operators import Operators


class FisherKPP(Equation):
    """Spread of a population u_t = D ∇²u + r u (1 − u), u between 0 and 1.

    Fields: ``u``. Parameters: ``diffusivity`` D, ``growth_rate`` r. One to three dimensions, any
    boundary.

    Fronts move with at least the speed 2√(D r) and are about √(D / r) wide.

    To try first: ``diffusivity: 0.002`` and ``growth_rate: 0.8`` in a box of length 1, where a
    front is 0.05 wide and moves with the speed 0.08.

    Order of convergence: ``test_order_of_fronts_between_walls`` in
    ``tests/physics/test_reactions.py``.

    Source: Murray (2002), Mathematical Biology I, section 13.2.
    """

    spec = EquationSpec(
        name="FisherKPPPDE",
        formula="u_t = D ∇²u + r u (1 − u)",
        fields=(FieldRole("u"),),
        parameters={
            "diffusivity": ParameterSpec("length²/time", positive=True, symbol="D"),
            "growth_rate": ParameterSpec("1/time", symbol="r"),
        },
        symmetries=ISOTROPIC,
    )

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
