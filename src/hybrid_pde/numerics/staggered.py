"""Differences of order 2 with the velocity on the faces of cells.

Tensors have named dimensions: any batch dimensions, ``vector`` with a component for each axis,
spatial ones x, y, z. Scalars stand at the centres of cells, vectors on their lower faces, see
:mod:`hybrid_pde.numerics.face_projection`.

Sources: Harlow and Welch (1965), Physics of Fluids 8, 2182. Morinishi, Lund, Vasilyev and Moin
(1998), Journal of Computational Physics 143, 90, section 3 (what the scheme conserves).
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
    """Operators of an incompressible flow on the faces, of the scalars that it carries at centres.

    Nothing flows through walls. Along a wall with a prescribed value the fluid has its velocity;
    along one of zero gradient it slips. Scalars have the prescribed value there, or no flux.

    Advection is the divergence of the flux ∇·(v u): on a velocity without divergence the same as
    (v·∇)u. The sum of every scalar, and on a periodic box of every component, is conserved to
    rounding; so is the sum of squares, but for the errors in time.

    Args:
        grid: The cells, with no points on walls.
        boundary_values: Prescribed values that replace the grid's, by ``boundary.<axis>.<side>``.
    """

    def __init__(
        self, grid: Grid, boundary_values: Mapping[str, math.Tensor] | None = None
    ) -> None:
        super().__init__(grid, 2, boundary_values)

    def derivative(self, u: math.Tensor, axis: str, order: int) -> math.Tensor:
        """Derivative of a scalar, at the centres."""
        assert "vector" not in u.shape, "components of a vector stand on different faces"
        return super().derivative(u, axis, order)

    def laplacian(self, u: math.Tensor) -> math.Tensor:
        """∇²u where u stands."""
        if "vector" not in u.shape:
            return super().laplacian(u)
        return self._vector({axis: self._spread(u.vector[axis], axis) for axis in self.grid.axes})

    def advect(self, velocity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """∇·(velocity u), with the velocity on the faces and u the same, or a scalar."""
        if "vector" in u.shape:
            return self._advect_itself(u)
        terms = []
        for axis in self.grid.axes:
            flux = velocity.vector[axis] * _before(u, axis)
            terms.append((next_face(flux, axis, self.grid) - flux) / self.spacing[axis])
        return sum(terms[1:], terms[0])

    def divergence(self, v: math.Tensor) -> math.Tensor:
        """∇·v at the centres."""
        return divergence_of_cells(v, self.grid)

    def solenoidal(self, v: math.Tensor) -> math.Tensor:
        """The vector field less a gradient, so that its divergence is zero; 0 on walls."""
        return project_faces(v, self.grid)

    def at_velocity(self, v: math.Tensor) -> math.Tensor:
        """A vector field given at the centres, on the faces; on walls it has no meaning."""
        return self._vector({axis: _before(v.vector[axis], axis) for axis in self.grid.axes})

    def _advect_itself(self, u: math.Tensor) -> math.Tensor:
        """Σ_j ∂_j (u_j u_i): products of means, at centres for j = i, else at the edges of cells.

        An edge stands at the lower end of its cell along both axes. On a wall its flux is zero, as
        the velocity across it is.
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
        """∇² of one component, on its faces; on a wall it has no meaning."""
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
        """The component with a ghost at both ends of an axis, between whose walls it runs along."""
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
    """Mean of neighbours along an axis, half a cell before; uniform along it, u itself."""
    return 0.5 * (u + previous_cell(u, axis)) if axis in u.shape else u
