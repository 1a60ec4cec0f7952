"""Advection of a scalar by itself."""

from phi.torch.flow import channel, math

from hybrid_pde.numerics.operators import Operators


def advect_itself(u: math.Tensor, operators: Operators) -> math.Tensor:
    """U Σ ∂u/∂x_i of a scalar, by the scheme's own treatment of advection."""
    axes = channel(vector=",".join(operators.grid.axes))
    velocity = math.expand(u, axes)
    if len(operators.grid.axes) == 1:
        # The same tensor as velocity and as what it carries: schemes know self-advection by that.
        return operators.advect(velocity, velocity).vector[0]
    return operators.advect(velocity, u)
