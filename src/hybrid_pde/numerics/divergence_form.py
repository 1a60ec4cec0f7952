"""Central differences with advection in divergence form."""

from phiml import math

from hybrid_pde.numerics.finite_difference import FiniteDifference


class DivergenceForm(FiniteDifference):
    """Central differences with (v·∇)u = ∇·(v u) − u ∇·v, as solvers of conservation laws have it.

    For smooth fields it differs from the advective form by the error of the scheme only: it is a
    second scheme of the same order. The common forms are on the line through both: the flux
    ∂(u²/2)/∂x of the Burgers equation and the skew-symmetric form are the mean of the two.

    The grid is periodic: ghost points of v u are those of a product.
    """

    def advect(self, velocity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """(velocity·∇)u in divergence form.

        Args:
            velocity: Vector with a component of the dimension ``vector`` for each axis, uniform or
                a field; in 1D also a scalar.
            u: Scalar or vector; a vector is advected component by component.
        """
        if not math.wrap(velocity).shape.spatial:
            return super().advect(velocity, u)
        total = 0.0
        for axis in self.grid.axes:
            along = velocity.vector[axis] if "vector" in velocity.shape else velocity
            total = total + self.gradient(along * u, axis) - u * self.gradient(along, axis)
        return total
