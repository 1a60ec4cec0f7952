"""The Allen-Cahn equation."""

from phiml import math

from hybrid_pde.config.equations import ISOTROPIC, EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.models.physical.equation import Equation, LinearTerms, Values
from hybrid_pde.numerics.operators import Operators


class AllenCahn(Equation):
    """Phase separation u_t = D ∇²u + r (u − u³), with the stable phases u = ±1.

    Fields: ``u``. Parameters: ``diffusivity`` D, ``reaction_rate`` r. One to three dimensions, any
    boundary.

    The walls between phases are about √(8 D / r) wide and need a few grid points.

    To try first: ``diffusivity: 1.0e-4`` and ``reaction_rate: 5.0`` in a box of length 2 with 512
    points (Raissi et al., 2019, J. Comput. Phys. 378, 686), where a wall has 3 points.

    Order of convergence: ``test_order_of_fronts_between_walls`` in
    ``tests/physics/test_reactions.py``.

    Source: Allen and Cahn (1979), Acta Metallurgica 27, 1085-1095.
    """

    spec = EquationSpec(
        name="AllenCahnPDE",
        formula="u_t = D ∇²u + r (u − u³)",
        fields=(FieldRole("u"),),
        parameters={
            "diffusivity": ParameterSpec("length²/time", positive=True, symbol="D"),
            "reaction_rate": ParameterSpec("1/time", symbol="r"),
        },
        symmetries=ISOTROPIC,
    )

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
