"""The diffusion equation."""

from hybrid_pde.config.equations import ISOTROPIC, EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.models.physical.equation import Equation, LinearTerms, Values
from hybrid_pde.numerics.operators import Operators


class Diffusion(Equation):
    """Diffusion u_t = ∇·(κ∇u), or u_t = κ ∇²u with the option ``conservative: false``.

    Fields: ``u``. Parameters: ``diffusivity`` κ, a number or a field; for a number both forms are
    the same. The first form conserves the total of u where nothing crosses the boundary. One to
    three dimensions, any boundary.

    To try first: ``diffusivity: 0.01`` in a box of length 1. The longest wave then decays within a
    time of L²/(4π²κ) = 2.5.

    Order of convergence: ``test_order_between_walls`` and
    ``test_order_with_a_field_of_diffusivity`` in ``tests/physics/test_diffusion.py``.

    Source: Crank (1975), The Mathematics of Diffusion, section 1.
    """

    spec = EquationSpec(
        name="DiffusionPDE",
        formula="u_t = ∇·(κ∇u), or κ ∇²u with conservative: false",
        fields=(FieldRole("u"),),
        parameters={
            "diffusivity": ParameterSpec("length²/time", positive=True, is_field=True, symbol="κ")
        },
        options={"conservative": True},
        symmetries=ISOTROPIC,
    )

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
