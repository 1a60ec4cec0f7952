"""Second-order differences on a staggered (MAC) grid, with the velocity on cell faces.

Tensors have named dimensions: any batch dimensions, ``vector`` with a component for each axis,
spatial ones x, y, z. Scalars are located at cell centres, vectors on the lower faces, see
:mod:`hybrid_pde.numerics.face_projection`.

Sources: Harlow and Welch (1965), Physics of Fluids 8, 2182. Morinishi, Lund, Vasilyev and Moin
(1998), Journal of Computational Physics 143, 90, section 3 (conservation).
"""

from collections.abc import Mapping

from phi.torch.flow import channel, math

from hybrid_pde.domain.grid import Grid
from hybrid_pde.numerics.face_projection import (
    divergence_of_cells,
    next_face,
    previous_cell,
    project_faces,
)
from hybrid_pde.numerics.finite_difference import FiniteDifference
from hybrid_pde.numerics.ghost_points import extend, rules_of, smooth_rule


class StaggeredDifference(FiniteDifference):
    """Operators of an incompressible flow: velocity on cell faces, transported scalars at centres.

    Nothing flows through walls. Along a wall with a prescribed value the fluid moves with that
    velocity (no slip); along a wall of zero gradient it slips freely. Scalars have the prescribed
    value at the wall, or zero flux.

    Advection is in flux form, ∇·(v u), which equals (v·∇)u for a divergence-free velocity. The sum
    of every scalar, and on a periodic box of every velocity component, is conserved to rounding;
    the sum of squares is conserved up to the time-stepping error.

    Args:
        grid: The cells, with no points on walls.
        boundary_values: Prescribed values that replace the grid's, by ``boundary.<axis>.<side>``.
    """

    def __init__(
        self, grid: Grid, boundary_values: Mapping[str, math.Tensor] | None = None
    ) -> None:
        super().__init__(grid, 2, boundary_values)

    def derivative(self, u: math.Tensor, axis: str, order: int) -> math.Tensor:
        """Derivative of a scalar, at cell centres."""
        assert "vector" not in u.shape, "components of a vector are located on different faces"
        return super().derivative(u, axis, order)

    def laplacian(self, u: math.Tensor) -> math.Tensor:
        """∇²u at the points of u."""
        if "vector" not in u.shape:
            return super().laplacian(u)
        return self._vector({axis: self._spread(u.vector[axis], axis) for axis in self.grid.axes})

    def advect(self, velocity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """∇·(velocity u) with the velocity on faces; u is the velocity itself or a scalar."""
        if "vector" in u.shape:
            return self._advect_itself(u)
        terms = []
        for axis in self.grid.axes:
            flux = velocity.vector[axis] * _before(u, axis)
            terms.append((next_face(flux, axis, self.grid) - flux) / self.spacing[axis])
        return sum(terms[1:], terms[0])

    def divergence(self, v: math.Tensor) -> math.Tensor:
        """∇·v at cell centres."""
        return divergence_of_cells(v, self.grid)

    def solenoidal(self, v: math.Tensor) -> math.Tensor:
        """Projection of ``v`` onto divergence-free fields, v − ∇p; 0 on walls."""
        return project_faces(v, self.grid)

    def at_velocity(self, v: math.Tensor) -> math.Tensor:
        """A vector field interpolated from centres to faces; values on walls are meaningless."""
        return self._vector({axis: _before(v.vector[axis], axis) for axis in self.grid.axes})

    def _advect_itself(self, u: math.Tensor) -> math.Tensor:
        """Σ_j ∂_j (u_j u_i): products of means, at centres for j = i, else at cell edges.

        An edge is located at the lower end of its cell along both axes. On a wall its flux is zero,
        because the normal velocity is zero.
        """
        grid, rates = self.grid, {}
        for axis in grid.axes:
            component = u.vector[axis]
            square = (0.5 * (component + next_face(component, axis, grid))) ** 2
            rates[axis] = (square - previous_cell(square, axis)) / self.spacing[axis]
        for number, first in enumerate(grid.axes):
            for second in grid.axes[number + 1 :]:
                flux = _before(u.vector[first], second) * _before(u.vector[second], first)
                for axis, along in ((first, second), (second, first)):
                    change = (next_face(flux, along, grid) - flux) / self.spacing[along]
                    rates[axis] = rates[axis] + change
        return self._vector(rates)

    def _spread(self, u: math.Tensor, component: str) -> math.Tensor:
        """∇² of one component, on its faces; values on walls are meaningless."""
        terms = []
        for axis in self.grid.axes:
            if axis == component:
                pair = next_face(u, axis, self.grid) + previous_cell(u, axis)
            else:
                padded = self._along_walls(u, axis, component)
                pair = padded[{axis: slice(2, None)}] + padded[{axis: slice(0, -2)}]
            terms.append((pair - 2.0 * u) * self.spacing[axis] ** -2)
        return sum(terms[1:], terms[0])

    def _along_walls(self, u: math.Tensor, axis: str, component: str) -> math.Tensor:
        """A tangential velocity component with one ghost point at both ends of an axis."""
        rules = rules_of(self.grid, axis, lambda side, on_wall: smooth_rule(side, on_wall, 1, 2), 1)
        values: list[math.Tensor | float] = []
        for end in ("lower", "upper"):
            value = self.boundary_values.get(f"boundary.{axis}.{end}", 0.0)
            if isinstance(value, math.Tensor) and "vector" in value.shape:
                value = value.vector[component]
            values.append(value)
        return extend(u, axis, rules, values)

    def _vector(self, components: Mapping[str, math.Tensor]) -> math.Tensor:
        axes = self.grid.axes
        return math.stack([components[axis] for axis in axes], channel(vector=",".join(axes)))


def _before(u: math.Tensor, axis: str) -> math.Tensor:
    """Mean of neighbours half a cell below along an axis; u itself if uniform along it."""
    return 0.5 * (u + previous_cell(u, axis)) if axis in u.shape else u
