"""The Korteweg-de Vries equation."""

from phi.torch.flow import math

from hybrid_pde.config.equations import EQUATIONS
from hybrid_pde.models.physical.coefficients import LinearTerms, Values
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.physical.self_advection import advect_itself
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.operators import Operators


@ModelRegistry.register_physical("KortewegDeVriesPDE")
class KortewegDeVriesPDE(PhysicalModel):
    """Long waves in shallow water u_t + a u u_x + b u_xxx = 0.

    Solitons of height A move with the speed a A / 3 and are about √(12 b / (a A)) wide. With more
    than one axis, derivatives are sums over the axes. The differences need a time step of order
    dx³; the exponential integrator of the spectral scheme does not.

    Source: Drazin and Johnson (1989), Solitons, section 1.
    """

    spec = EQUATIONS["KortewegDeVriesPDE"]

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
