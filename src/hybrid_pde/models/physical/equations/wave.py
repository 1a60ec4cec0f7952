"""The wave equation."""

from math import sqrt

from phiml import math

from hybrid_pde.config.equations import ISOTROPIC, EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.models.physical.equation import Equation, LinearTerms, Values
from hybrid_pde.numerics.operators import Operators


class Wave(Equation):
    """Waves u_tt = c² ∇²u − γ u_t as a system of first order: u_t = v, v_t = c² ∇²u − γ v.

    Fields: ``u`` (displacement or pressure), ``v`` (its rate of change). Parameters: ``speed`` c, a
    number or a field (a medium of uniform density), ``damping`` γ (none by default). One to three
    dimensions, any boundary: waves are reflected with the same sign at zero gradient, and with the
    opposite one at a prescribed value. A value other than 0 at a wall is that of u; v is at rest
    there and needs v = 0 at points on the wall.

    Differences of order p slow a wave of wavenumber k down by a share of the order of (k dx)ᵖ: use
    order 6 or the spectral scheme for long rollouts. The schemes for advection do not apply.

    To try first: ``speed: 1.0`` in a box of length 1 with 64 points along each axis.

    Order of convergence: ``test_standing_wave_converges`` in ``tests/physics/test_wave.py``.

    Source: LeVeque (2002), Finite Volume Methods for Hyperbolic Problems, section 2.9.
    """

    spec = EquationSpec(
        name="WavePDE",
        formula="u_t = v, v_t = c² ∇²u − γ v",
        fields=(FieldRole("u"), FieldRole("v")),
        parameters={
            "speed": ParameterSpec("length/time", positive=True, is_field=True, symbol="c"),
            "damping": ParameterSpec("1/time", default=0.0, symbol="γ"),
        },
        symmetries=ISOTROPIC,
        is_advective=False,
    )

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """The rates v and c² ∇²u − γ v."""
        u, v, speed = state["u"], state["v"], parameters["speed"]
        force = speed * speed * operators.laplacian(u)
        return {"u": v, "v": force - parameters["damping"] * v}

    def speed_on_grid(self, state: Values, parameters: Values, operators: Operators) -> math.Tensor:
        """The speed with which advection would have the eigenvalues ± i c √|λ| of the waves.

        λ are the eigenvalues of ∇²; for second-order differences that is 2c.
        """
        return parameters["speed"] * (sqrt(operators.eigenvalue(2)) / operators.eigenvalue(1))

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """−γ v."""
        return {"v": {0: -parameters["damping"]}}
