"""The Brusselator."""

from phiml import math

from hybrid_pde.config.equations import ISOTROPIC, EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.models.physical.equation import Equation, LinearTerms, Values
from hybrid_pde.numerics.operators import Operators


class Brusselator(Equation):
    """Oscillating reaction u_t = D_u ∇²u + a − (b + 1) u + u² v, v_t = D_v ∇²v + b u − u² v.

    Fields: ``u`` (activator), ``v`` (substrate). Parameters: ``diffusivity_u`` D_u,
    ``diffusivity_v`` D_v, ``a``, ``b``. One to three dimensions, any boundary. Time is in units of
    the decay of u, whose rate is 1.

    The uniform state u = a, v = b / a oscillates where b > 1 + a². Below that, stripes and spots
    form where b > (1 + a √(D_u / D_v))².

    To try first: ``diffusivity_u: 1.0e-3``, ``diffusivity_v: 8.0e-3``, ``a: 4.5``, ``b: 7.0`` in a
    box of length 1 with 64 points along each axis, from small perturbations of the uniform state:
    stripes about 0.1 wide grow within ten time units.

    Order of convergence: ``test_order_of_the_rate_of_two_species`` in
    ``tests/physics/test_reactions.py``.

    Source: Prigogine and Lefever (1968), Journal of Chemical Physics 48, 1695-1700.
    """

    spec = EquationSpec(
        name="BrusselatorPDE",
        formula="u_t = D_u ∇²u + a − (b + 1) u + u² v, v_t = D_v ∇²v + b u − u² v",
        fields=(FieldRole("u"), FieldRole("v")),
        parameters={
            "diffusivity_u": ParameterSpec("length²/time", positive=True, symbol="D_u"),
            "diffusivity_v": ParameterSpec("length²/time", positive=True, symbol="D_v"),
            "a": ParameterSpec("1/time", symbol="a"),
            "b": ParameterSpec("1/time", symbol="b"),
        },
        symmetries=ISOTROPIC,
    )

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """Diffusion and reaction of both fields."""
        u, v = state["u"], state["v"]
        fed, autocatalysis = parameters["b"] * u, u * u * v
        diffusion_u = parameters["diffusivity_u"] * operators.laplacian(u)
        diffusion_v = parameters["diffusivity_v"] * operators.laplacian(v)
        return {
            "u": diffusion_u + parameters["a"] - fed - u + autocatalysis,
            "v": diffusion_v + fed - autocatalysis,
        }

    def bound_reaction(self, state: Values, parameters: Values) -> math.Tensor:
        """Bound on the eigenvalues of the Jacobian by its rows.

        |2uv − b − 1| + u² and |b − 2uv| + u².
        """
        u, growth = state["u"], 2 * state["u"] * state["v"] - parameters["b"]
        return math.maximum(math.abs(growth - 1), math.abs(growth)) + u * u

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """Diffusion of both fields."""
        return {
            "u": {2: parameters["diffusivity_u"]},
            "v": {2: parameters["diffusivity_v"]},
        }
