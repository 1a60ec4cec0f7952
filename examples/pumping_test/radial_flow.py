"""Drawdown of a confined aquifer around a pumped well, an equation of one's own.

Theis' problem is S s_t = T (1/r) (r s_r)_r, r being the distance from the well. The well draws the
discharge Q, here from a few metres around it, with the weight w:

    S s_t = (1/r) (T (r s_r)_r + Q/(2π) w(r)),    ∫ w dr = 1.

Source: Theis (1935), Transactions of the American Geophysical Union 16, 519.
"""

from math import pi, sqrt

from phiml import math
from phiml.math import spatial

from hybrid_pde.config.equations import EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.domain.grid import axis_points
from hybrid_pde.models import ModelRegistry
from hybrid_pde.models.physical import PhysicalModel

WIDTH = 5.0  # of w [m]


@ModelRegistry.register_physical("RadialFlow")
class RadialFlow(PhysicalModel):
    """Drawdown s [length] of a confined aquifer around a well that is pumped at a constant rate."""

    spec = EquationSpec(
        name="RadialFlow",
        formula="S s_t = (1/r) (T (r s_r)_r + Q/(2π) w(r)), r = x",
        fields=(FieldRole("drawdown"),),
        parameters={
            "transmissivity": ParameterSpec("m²/s", positive=True, symbol="T"),
            "storativity": ParameterSpec("1", positive=True, symbol="S"),
            "discharge": ParameterSpec("m³/s", positive=True, symbol="Q"),
        },
        dims=(1,),
    )

    def rate(self, state, parameters, operators):
        """(T (r s_r)_r + Q/(2π) w(r)) / (r S)."""
        r = math.tensor(axis_points(operators.grid)["x"], spatial("x"))
        weight = 2 / (WIDTH * sqrt(pi)) * math.exp(-((r / WIDTH) ** 2))
        flow = parameters["transmissivity"] * operators.diffuse(r, state["drawdown"])
        drawn = parameters["discharge"] / (2 * pi) * weight
        return {"drawdown": (flow + drawn) / (r * parameters["storativity"])}

    def bound_diffusivities(self, parameters):
        """T/S."""
        return [parameters["transmissivity"] / parameters["storativity"]]
