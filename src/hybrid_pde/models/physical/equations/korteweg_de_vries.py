"""The Korteweg-de Vries equation."""

from phiml import math

from hybrid_pde.config.equations import EquationSpec, FieldRole, ParameterSpec, SymmetrySpec
from hybrid_pde.models.physical.equation import Equation, LinearTerms, Values, advect_itself
from hybrid_pde.numerics.operators import Operators


class KortewegDeVries(Equation):
    """Long waves in shallow water u_t + a u u_x + b u_xxx = 0.

    Fields: ``u``. Parameters: ``advection`` a, ``dispersion`` b. Usually one-dimensional; with
    several axes derivatives are sums over the axes. Any boundary.

    Solitons of height A move with the speed a A / 3 and are about √(12 b / (a A)) wide. Finite
    differences need a time step of order dx³; the exponential integrator of the spectral scheme
    (periodic boxes) does not.

    To try first: ``advection: 1.0`` and ``dispersion: 4.84e-4`` with u = cos(π x) in a periodic box
    of length 2 with 128 points (Zabusky and Kruskal, 1965, Physical Review Letters 15, 240).

    Order of convergence: ``test_order_of_a_soliton`` in ``tests/physics/test_dispersive_waves.py``.

    Source: Drazin and Johnson (1989), Solitons, section 1.
    """

    spec = EquationSpec(
        name="KortewegDeVriesPDE",
        formula="u_t + a u u_x + b u_xxx = 0",
        fields=(FieldRole("u"),),
        parameters={
            "advection": ParameterSpec("length/time", symbol="a"),
            "dispersion": ParameterSpec("length³/time", symbol="b"),
        },
        # x → −x would need b → −b
        symmetries=SymmetrySpec(
            frozenset({"translation", "galilean"}), boosted="u", carried_by="advection"
        ),
    )

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """−a u u_x − b u_xxx."""
        u, axes = state["u"], operators.grid.axes
        dispersion = sum(operators.derivative(u, axis, 3) for axis in axes)
        return {
            "u": -parameters["advection"] * advect_itself(u, operators)
            - parameters["dispersion"] * dispersion
        }

    def bound_speed(self, state: Values, parameters: Values) -> math.Tensor:
        """Velocity of advection, a u along every axis."""
        return parameters["advection"] * state["u"]

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """−b u_xxx."""
        return {"u": {3: -parameters["dispersion"]}}
