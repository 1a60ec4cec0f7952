"""The shallow-water equations."""

from phiml import math
from phiml.math import channel

from hybrid_pde.config.equations import ISOTROPIC, EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.models.physical.equation import Equation, LinearTerms, Values
from hybrid_pde.numerics.operators import Operators


class ShallowWater(Equation):
    """Shallow water h_t + ∇·(h u) = 0, u_t + (u·∇)u = −g ∇(h + z) + ν ∇²u − r u.

    Fields: ``height`` h, the depth of the water from the bottom to the surface, and ``velocity`` u,
    a vector with a component for each axis. Parameters: ``gravity`` g, ``bottom`` z, the elevation
    of the bottom, a field (flat by default), ``viscosity`` ν and ``drag`` r (none by default). One
    or two dimensions, periodic. Depths must be positive: there is no dry land, and a random initial
    state needs a ``mean`` of several ``amplitude`` (which the velocity has, too).

    Long waves move with the speed √(g h) relative to the flow. Mass is conserved to rounding.
    Energy, h u²/2 + g h²/2 + g h z, is conserved without viscosity and drag, up to the error of the
    time steps, by every scheme: the rate is written in the vector-invariant form
    u_t = −∇(u²/2 + g (h + z)) − ζ (−v, u), ζ = ∂v/∂x − ∂u/∂y. Bores (shocks) lose energy and need a
    viscosity that makes them a few grid spacings wide; the schemes for advection do not apply.

    To try first: ``gravity: 9.81`` (in m/s²; 1 where lengths and times have no unit) for a depth
    of 1 with waves of 0.1 in a periodic box of length 10 with 64 points along each axis.

    Order of convergence: ``test_order_of_the_rate`` in ``tests/physics/test_shallow_water.py``.

    Sources: Vallis (2017), Atmospheric and Oceanic Fluid Dynamics, section 3.1. Sadourny (1975),
    Journal of the Atmospheric Sciences 32, 680 (conservation of energy).
    """

    spec = EquationSpec(
        name="ShallowWaterPDE",
        formula="h_t + ∇·(h u) = 0, u_t + (u·∇)u = −g ∇(h + z) + ν ∇²u − r u",
        fields=(FieldRole("height"), FieldRole("velocity", is_vector=True)),
        parameters={
            "gravity": ParameterSpec("length/time²", positive=True, symbol="g"),
            "bottom": ParameterSpec("length", default=0.0, is_field=True, symbol="z"),
            "viscosity": ParameterSpec("length²/time", default=0.0, positive=True, symbol="ν"),
            "drag": ParameterSpec("1/time", default=0.0, symbol="r"),
        },
        symmetries=ISOTROPIC,
        dims=(1, 2),
        is_periodic=True,
        is_advective=False,
    )

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """−∇·(h u), and −∇(u²/2 + g (h + z)) − ζ (−v, u) + ν ∇²u − r u."""
        h, u, axes = state["height"], state["velocity"], operators.grid.axes
        surface = h + parameters["bottom"]
        head = 0.5 * math.sum(u * u, "vector") + parameters["gravity"] * surface
        forces = [-operators.gradient(head, axis) for axis in axes]
        if len(axes) == 2:
            first, second = (u.vector[axis] for axis in axes)
            spin = operators.gradient(second, axes[0]) - operators.gradient(first, axes[1])
            forces = [forces[0] + spin * second, forces[1] - spin * first]
        force = math.stack(forces, channel(vector=",".join(axes)))
        friction = parameters["viscosity"] * operators.laplacian(u) - parameters["drag"] * u
        return {"height": -operators.divergence(h * u), "velocity": force + friction}

    def bound_speed(self, state: Values, parameters: Values) -> math.Tensor:
        """|u| + √(g h), the speed of the fastest wave along each axis; NaN for negative depths.

        No time step is stable then, and the solver raises a ``DivergenceError``.
        """
        waves = math.sqrt(parameters["gravity"] * state["height"])
        return math.abs(state["velocity"]) + waves

    def bound_diffusivities(self, parameters: Values) -> tuple[math.Tensor, ...]:
        """None beside :meth:`linear_terms`: the height does not diffuse."""
        return ()

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """ν ∇²u − r u."""
        return {"velocity": {0: -parameters["drag"], 2: parameters["viscosity"]}}
