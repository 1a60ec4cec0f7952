"""The Gray-Scott equations."""

from phiml import math

from hybrid_pde.config.equations import ISOTROPIC, EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.models.physical.equation import Equation, LinearTerms, Values
from hybrid_pde.numerics.operators import Operators


class GrayScott(Equation):
    """Autocatalysis a_t = D_a ∇²a − a b² + F (1 − a), b_t = D_b ∇²b + a b² − (F + K) b.

    Fields: ``a`` (substrate), ``b`` (autocatalyst). Parameters: ``diffusivity_a`` D_a,
    ``diffusivity_b`` D_b, ``feed`` F, ``kill`` K. One to three dimensions, any boundary.

    To try first: ``diffusivity_a: 2.0e-5``, ``diffusivity_b: 1.0e-5``, ``feed: 0.04``,
    ``kill: 0.06`` in a periodic box of length 2.5 with 256 points along each axis. A patch of
    a = 0.5, b = 0.25 in a = 1, b = 0 grows into a pattern within a few thousand time units.

    Order of convergence: ``test_order_of_the_rate_of_two_species`` in
    ``tests/physics/test_reactions.py``.

    Source: Pearson (1993), Science 261, 189-192.
    """

    spec = EquationSpec(
        name="GrayScottPDE",
        formula="a_t = D_a ∇²a − a b² + F (1 − a), b_t = D_b ∇²b + a b² − (F + K) b",
        fields=(FieldRole("a"), FieldRole("b")),
        parameters={
            "diffusivity_a": ParameterSpec("length²/time", positive=True, symbol="D_a"),
            "diffusivity_b": ParameterSpec("length²/time", positive=True, symbol="D_b"),
            "feed": ParameterSpec("1/time", symbol="F"),
            "kill": ParameterSpec("1/time", symbol="K"),
        },
        symmetries=ISOTROPIC,
    )

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """Diffusion, reaction, feed and removal of both fields."""
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
        """Bound on the eigenvalues of the Jacobian by its rows."""
        a, b = math.abs(state["a"]), math.abs(state["b"])
        reaction = 2 * a * b + b * b
        return reaction + math.abs(parameters["feed"]) + math.abs(parameters["kill"])

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """Diffusion and removal of both fields."""
        feed, kill = parameters["feed"], parameters["kill"]
        return {
            "a": {2: parameters["diffusivity_a"], 0: -feed},
            "b": {2: parameters["diffusivity_b"], 0: -feed - kill},
        }
