"""The Kuramoto-Sivashinsky equation."""

from phi.torch.flow import math

from hybrid_pde.config.equations import EQUATIONS
from hybrid_pde.models.physical.coefficients import LinearTerms, Values
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.physical.self_advection import advect_itself
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.operators import Operators


@ModelRegistry.register_physical("KuramotoSivashinskyPDE")
class KuramotoSivashinskyPDE(PhysicalModel):
    """Flame fronts u_t + a u u_x + b u_xx + c u_xxxx = 0, chaotic on boxes longer than 20 √(c/b).

    Waves longer than 2π√(c/b) grow. Over a few tens of time units two solutions that were close
    have nothing in common, so that windows to calibrate on should be shorter. With more than one
    axis u_x is a sum over the axes, u_xx is ∇²u, u_xxxx is ∇⁴u.

    Source: Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214-1233.
    """

    spec = EQUATIONS["KuramotoSivashinskyPDE"]

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
