"""The advection-diffusion equation."""

from hybrid_pde.config.equations import ISOTROPIC, EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.models.physical.equation import Equation, LinearTerms, Values
from hybrid_pde.numerics.operators import Operators


class AdvectionDiffusion(Equation):
    """Transport of a scalar, c_t + v·∇c = D ∇²c + s − λ c, in a flow v with a source s.

    Fields: ``concentration`` c. Parameters: ``diffusivity`` D, ``velocity`` v, one number for each
    axis or a field, ``source`` s [concentration/time], a number or a field, and ``decay`` λ (none
    of either by default). One to three dimensions, any boundary.

    To try first: ``diffusivity: 0.01`` and ``velocity: 0.5`` in a box of length 1. The finite
    differences need a few points across √(D t), the width of a smoothed front.

    Order of convergence: ``test_order_of_the_rate_in_a_field_of_flow`` and
    ``test_order_in_a_flow_out_of_a_box`` in ``tests/physics/test_advection_diffusion.py``.

    Source: LeVeque (2007), Finite Difference Methods for ODEs and PDEs, section 10.
    """

    spec = EquationSpec(
        name="AdvectionDiffusionPDE",
        formula="c_t + v·∇c = D ∇²c + s − λ c",
        fields=(FieldRole("concentration"),),
        parameters={
            "diffusivity": ParameterSpec("length²/time", positive=True, symbol="D"),
            "velocity": ParameterSpec("length/time", per_axis=True, is_field=True, symbol="v"),
            "source": ParameterSpec("concentration/time", default=0.0, is_field=True, symbol="s"),
            "decay": ParameterSpec("1/time", default=0.0, symbol="λ"),
        },
        symmetries=ISOTROPIC,
    )

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """D ∇²c − v·∇c + s − λ c."""
        c = state["concentration"]
        rate = parameters["diffusivity"] * operators.laplacian(c)
        rate = rate - operators.advect(parameters["velocity"], c)
        return {"concentration": rate + (parameters["source"] - parameters["decay"] * c)}

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """D ∇²c − λ c, and −v·∇c where v is uniform."""
        terms = {0: -parameters["decay"], 2: parameters["diffusivity"]}
        velocity = parameters["velocity"]
        if not velocity.shape.spatial:
            terms[1] = -velocity
        return {"concentration": terms}
