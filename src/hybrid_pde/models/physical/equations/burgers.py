"""Burgers' equation."""

from phiml import math
from phiml.math import channel

from hybrid_pde.config.equations import EquationSpec, FieldRole, ParameterSpec, SymmetrySpec
from hybrid_pde.models.physical.equation import Equation, LinearTerms, Values
from hybrid_pde.numerics.operators import Operators


class Burgers(Equation):
    """Burgers' equation u_t + a (u·∇)u = ν ∇²u − ∇φ, u a vector with a component for each axis.

    Fields: ``velocity`` u. Parameters: ``viscosity`` ν, ``advection`` a (1 by default),
    ``potential`` φ of a force, a field (none by default). One to three dimensions, any boundary.

    Shocks are about 4ν/(a Δu) wide. Where that is less than a few grid spacings, the finite
    differences and the spectral scheme oscillate: use ``weno``.

    To try first: ``viscosity: 0.01`` for velocities of about 1 in a box of length 1 with 64 points
    along each axis.

    Order of convergence: ``test_order_of_the_rate`` in ``tests/physics/test_burgers.py``.

    Source: Burgers (1948), Advances in Applied Mechanics 1, 171-199.
    """

    spec = EquationSpec(
        name="BurgersPDE",
        formula="u_t + a (u·∇)u = ν ∇²u − ∇φ",
        fields=(FieldRole("velocity", is_vector=True),),
        parameters={
            "viscosity": ParameterSpec("length²/time", positive=True, symbol="ν"),
            "advection": ParameterSpec("1", default=1.0, symbol="a"),
            "potential": ParameterSpec("length²/time²", default=0.0, is_field=True, symbol="φ"),
        },
        symmetries=SymmetrySpec(
            frozenset({"translation", "reflection", "rotation", "galilean"}),
            boosted="velocity",
            carried_by="advection",
        ),
    )

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """ν ∇²u − a (u·∇)u − ∇φ."""
        u = state["velocity"]
        rate = parameters["viscosity"] * operators.laplacian(u)
        rate = rate - parameters["advection"] * operators.advect(u, u)
        potential = parameters["potential"]
        if potential.shape.spatial:  # a number has no gradient
            axes = operators.grid.axes
            slopes = [operators.gradient(potential, axis) for axis in axes]
            rate = rate - math.stack(slopes, channel(vector=",".join(axes)))
        return {"velocity": rate}

    def bound_speed(self, state: Values, parameters: Values) -> math.Tensor:
        """Velocity of advection, a u."""
        return parameters["advection"] * state["velocity"]

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """ν ∇²u."""
        return {"velocity": {2: parameters["viscosity"]}}
