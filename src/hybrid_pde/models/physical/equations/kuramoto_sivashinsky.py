"""The Kuramoto-Sivashinsky equation."""

from phiml import math

from hybrid_pde.config.equations import EquationSpec, FieldRole, ParameterSpec, SymmetrySpec
from hybrid_pde.models.physical.equation import Equation, LinearTerms, Values, advect_itself
from hybrid_pde.numerics.operators import Operators


class KuramotoSivashinsky(Equation):
    """Flame fronts u_t + a u u_x + b u_xx + c u_xxxx = 0, chaotic on boxes longer than 20 √(c/b).

    Fields: ``u``. Parameters: ``advection`` a, ``second_order`` b, ``fourth_order`` c (1 each by
    default). Usually one-dimensional; with several axes u_x is a sum over the axes, u_xx is ∇²u,
    u_xxxx is ∇⁴u. Any boundary.

    Waves longer than 2π√(c/b) grow. Within a few tens of time units neighbouring solutions
    decorrelate, so calibrate on shorter windows.

    To try first: the default parameters in a periodic box of length 22 with 64 points and the
    spectral scheme.

    Order of convergence: ``test_waves_along_the_diagonal_of_a_plane`` in
    ``tests/physics/test_dispersive_waves.py``.

    Source: Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214-1233.
    """

    spec = EquationSpec(
        name="KuramotoSivashinskyPDE",
        formula="u_t + a u u_x + b u_xx + c u_xxxx = 0",
        fields=(FieldRole("u"),),
        parameters={
            "advection": ParameterSpec("length/time", default=1.0, symbol="a"),
            "second_order": ParameterSpec("length²/time", default=1.0, symbol="b"),
            "fourth_order": ParameterSpec("length⁴/time", default=1.0, positive=True, symbol="c"),
        },
        # u_x is a sum over the axes: reflecting one of several axes gives another equation
        symmetries=SymmetrySpec(
            frozenset({"translation", "reflection", "galilean"}),
            single_axis=frozenset({"reflection"}),
            odd=frozenset({"u"}),
            boosted="u",
            carried_by="advection",
        ),
    )

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """−a u u_x − b u_xx − c u_xxxx."""
        u = state["u"]
        growth = parameters["second_order"] * operators.laplacian(u)
        damping = parameters["fourth_order"] * operators.biharmonic(u)
        return {"u": -parameters["advection"] * advect_itself(u, operators) - growth - damping}

    def bound_speed(self, state: Values, parameters: Values) -> math.Tensor:
        """Velocity of advection, a u along every axis."""
        return parameters["advection"] * state["u"]

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """−b u_xx − c u_xxxx."""
        return {"u": {2: -parameters["second_order"], 4: -parameters["fourth_order"]}}
