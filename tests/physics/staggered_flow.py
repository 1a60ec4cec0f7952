"""Staggered velocities, stored on cell faces, for the tests."""

from typing import Any

import torch
from phi.torch.flow import math

from hybrid_pde.data.field_conversion import (
    to_native,
    to_values,
)
from hybrid_pde.data.staggered_velocity import Staggering
from hybrid_pde.domain.grid import ZERO_GRADIENT, FieldLayout, Grid
from hybrid_pde.models.physical import NavierStokesPDE
from hybrid_pde.numerics.face_projection import divergence_of_cells, project_faces
from tests.physics.periodic_box import physical_config
from tests.physics.test_navier_stokes import noise

PERIODIC, STICK, SLIP = ("periodic",) * 2, (0.0, 0.0), (ZERO_GRADIENT,) * 2
# Periodic axes have odd numbers of cells, so the face values can be recovered from the centres.
BOXES = {
    "periodic": ((11, 9), (PERIODIC, PERIODIC)),
    "channel": ((11, 8), (PERIODIC, STICK)),
    "closed": ((9, 12), (SLIP, (0.0, ZERO_GRADIENT))),
    "three": ((7, 6, 5), (PERIODIC, SLIP, STICK)),
    "periodic-three": ((5, 7, 5), (PERIODIC,) * 3),
}


def model(
    substeps: int | None = None, numerics: dict[str, Any] | None = None, **params: Any
) -> NavierStokesPDE:
    numerics = {"precision": "double", "substeps": substeps, **(numerics or {})}
    params = {"viscosity": 0.0, "staggered": True, **params}
    return NavierStokesPDE(physical_config("NavierStokesPDE", params, numerics=numerics))


def cells(shape: tuple[int, ...], boundary: Any, lengths: tuple[float, ...] = (0.7, 1.3, 0.9)):
    dims = len(shape)
    axes, low = ("x", "y", "z")[:dims], (0.0,) * dims
    return Grid(axes, shape, low, lengths[:dims], boundary, (False,) * dims)


def on_faces(function: Any, native: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Apply a function of PhiML tensors to a velocity [C, *space] on the faces."""
    layout = FieldLayout("velocity", grid.axes)
    with math.precision(64):
        found = function(to_values(native, grid, layout), grid)
        return to_native(found, grid, layout if "vector" in found.shape else FieldLayout(""))


def flow(grid: Grid) -> torch.Tensor:
    """A random divergence-free velocity on the faces."""
    return on_faces(project_faces, noise(len(grid.axes), *grid.shape), grid)


def faces_of(centres: torch.Tensor, grid: Grid) -> torch.Tensor:
    return Staggering(grid).to_faces(centres[None])[0]


def centres_of(faces: torch.Tensor, grid: Grid) -> torch.Tensor:
    return Staggering(grid).to_centres(faces[None])[0]


def divergence(centres: torch.Tensor, grid: Grid) -> float:
    return float(on_faces(divergence_of_cells, faces_of(centres, grid), grid).abs().max())
