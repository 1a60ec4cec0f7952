"""The FitzHugh-Nagumo equations."""

from phiml import math

from hybrid_pde.config.equations import ISOTROPIC, EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.models.physical.equation import Equation, LinearTerms, Values
from hybrid_pde.numerics.operators import Operators


class FitzHughNagumo(Equation):
    """Activator and inhibitor: u_t = D_u ∇²u + u − u³ − k − v, v_t = D_v ∇²v + u − v.

    Fields: ``u`` (activator), ``v`` (inhibitor). Parameters: ``diffusivity_u`` D_u,
    ``diffusivity_v`` D_v, ``threshold`` k. One to three dimensions, any boundary. Time is in units
    of the reaction, whose rates are 1.

    To try first: ``diffusivity_u: 1.0e-3``, ``diffusivity_v: 5.0e-3``, ``threshold: 5.0e-3`` in a
    box of length 2 with 128 points along each axis and no flux through its walls (PDEBench).
    Patterns form where D_v is several times D_u.

    Order of convergence: ``test_order_of_the_rate_of_two_species`` in
    ``tests/physics/test_reactions.py``.

    Source: Klaasen and Troy (1984), SIAM J. Appl. Math. 44, 96-110; in the form of Takamoto et al.
    (2022), PDEBench, section 3.
    """

    spec = EquationSpec(
        name="FitzHughNagumoPDE",
        formula="u_t = D_u ∇²u + u − u³ − k − v, v_t = D_v ∇²v + u − v",
        fields=(FieldRole("u"), FieldRole("v")),
        parameters={
            "diffusivity_u": ParameterSpec("length²/time", positive=True, symbol="D_u"),
            "diffusivity_v": ParameterSpec("length²/time", positive=True, symbol="D_v"),
            "threshold": ParameterSpec("1/time", symbol="k"),
        },
        symmetries=ISOTROPIC,
    )

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """Diffusion and reaction of both fields."""
        u, v = state["u"], state["v"]
        diffusion_u = parameters["diffusivity_u"] * operators.laplacian(u)
        diffusion_v = parameters["diffusivity_v"] * operators.laplacian(v)
        return {
            "u": diffusion_u + u - u * u * u - parameters["threshold"] - v,
            "v": diffusion_v + u - v,
        }

    def bound_reaction(self, state: Values, parameters: Values) -> math.Tensor:
        """Bound on the eigenvalues of the Jacobian by its rows, |1 − 3u²| + 1 and 2."""
        return math.maximum(math.abs(1 - 3 * state["u"] ** 2) + 1, 2.0)

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """Diffusion of both fields."""
        return {
            "u": {2: parameters["diffusivity_u"]},
            "v": {2: parameters["diffusivity_v"]},
        }
