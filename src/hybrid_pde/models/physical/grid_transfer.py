"""Transfer of states between the grid of the data and the grid of the solver.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Mapping

import torch
from phi.torch.flow import math

from hybrid_pde.data.field_conversion import to_native, to_values
from hybrid_pde.data.staggered_velocity import Staggering
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.models.physical.coefficients import Natives
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.numerics.face_projection import project_faces
from hybrid_pde.numerics.resampling import Resampling


class GridTransfer:
    """Transfers states to where a discretization needs them: a finer grid, cell faces.

    Args:
        grid: Grid of the data.
        layouts: Layout of every field by its role in the equation.
        discretization: The scheme.

    Attributes:
        grid: Grid that the equation is solved on.
    """

    def __init__(
        self, grid: Grid, layouts: Mapping[str, FieldLayout], discretization: Discretization
    ) -> None:
        self.grid, self._staggering, self._resampling = grid, None, None
        refine, coarsen = discretization.refine, discretization.coarsen
        if refine > 1 or coarsen > 1:
            self._resampling = Resampling(grid, refine, coarsen)
            self.grid = self._resampling.grid
        self._vectors = {role: each for role, each in layouts.items() if each.components}
        if discretization.is_staggered:
            self._staggering = Staggering(self.grid)

    def to_solver(self, state: Natives) -> Natives:
        """A state of the data on the solver's grid; on cell faces, projected.

        Interpolation onto the faces changes the divergence that the velocity has at cell centres.
        """
        if self._resampling is not None:
            state = {role: self._resampling.refine_start(native) for role, native in state.items()}
        if self._staggering is None:
            return state
        placed = dict(state)
        for role, layout in self._vectors.items():
            faces = self._staggering.to_faces(state[role])
            with math.precision(64 if faces.dtype == torch.float64 else 32):
                free = project_faces(to_values(faces, self.grid, layout), self.grid)
                placed[role] = to_native(free, self.grid, layout)
        return placed

    def to_data(self, state: Natives) -> Natives:
        """A state of the solver on the grid of the data."""
        if self._staggering is not None:
            moved = {role: self._staggering.to_centres(state[role]) for role in self._vectors}
            state = {**state, **moved}
        if self._resampling is not None:
            state = {role: self._resampling.coarsen(native) for role, native in state.items()}
        return state

    def field_to_solver(self, value: torch.Tensor) -> torch.Tensor:
        """A field parameter ``[…, *space]``, at the points of scalars."""
        if self._resampling is None:
            return value
        axes = len(self.grid.axes)
        # Resampling takes [B, C, *space].
        fine = self._resampling.refine(value.reshape(1, -1, *value.shape[-axes:]))
        return fine.reshape(*value.shape[:-axes], *fine.shape[2:])
