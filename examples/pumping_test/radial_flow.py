"""Drawdown of a confined aquifer around a pumped well, an equation of one's own.

With x = ln(r / 1 m), r the distance from the well, Theis' problem S s_t = T (1/r) (r s_r)_r with
the discharge Q drawn at the well reads

    s_t = e^(−2x) (T s_xx + Q/(2π) w(x)) / S,    ∫ w dx = 1,

where w is concentrated at the inner end of the axis.

Source: Theis (1935), Transactions of the American Geophysical Union 16, 519.
"""

from math import log, pi, sqrt

from phiml import math
from phiml.math import spatial

from hybrid_pde.config.equations import EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.domain.grid import axis_points
from hybrid_pde.models import ModelRegistry
from hybrid_pde.models.physical import PhysicalModel

INNER_RADIUS = 3.0  # m, small beside the distance of the nearest piezometer
SCREEN, WIDTH = log(INNER_RADIUS) + 0.4, 0.12  # place and width of w


@ModelRegistry.register_physical("RadialFlow")
class RadialFlow(PhysicalModel):
    """Drawdown s [length] of a confined aquifer around a well that is pumped at a constant rate."""

    spec = EquationSpec(
        name="RadialFlow",
        formula="S s_t = T (1/r) (r s_r)_r + Q δ(r)/(2π r), x = ln r",
        fields=(FieldRole("drawdown"),),
        parameters={
            "transmissivity": ParameterSpec("m²/s", positive=True, symbol="T"),
            "storativity": ParameterSpec("1", positive=True, symbol="S"),
            "discharge": ParameterSpec("m³/s", positive=True, symbol="Q"),
        },
        dims=(1,),
    )

    def rate(self, state, parameters, operators):
        """e^(−2x) (T s_xx + Q/(2π) w(x)) / S."""
        x = math.tensor(axis_points(operators.grid)["x"], spatial("x"))
        screen = math.exp(-(((x - SCREEN) / WIDTH) ** 2)) / (WIDTH * sqrt(pi))
        flow = parameters["transmissivity"] * operators.laplacian(state["drawdown"])
        flow = flow + parameters["discharge"] / (2 * pi) * screen
        return {"drawdown": math.exp(-2 * x) * flow / parameters["storativity"]}

    def bound_diffusivities(self, parameters):
        """T/S e^(−2x) at the inner end."""
        return [parameters["transmissivity"] / parameters["storativity"] / INNER_RADIUS**2]
