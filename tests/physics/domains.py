"""Boxes with arbitrary boundary conditions for the tests of equations."""

import torch

from hybrid_pde.domain.boundary import parse_boundary
from hybrid_pde.domain.grid import Grid, axis_points


def walled_grid(
    shape: tuple[int, ...],
    lengths: tuple[float, ...],
    boundary: object = "zero-gradient",
    nodes: bool = False,
    lower: float = 0.0,
) -> Grid:
    """A box from ``lower`` along every axis; ``boundary`` as in an experiment."""
    axes = ("x", "y", "z")[: len(shape)]
    return Grid(
        axes=axes,
        shape=shape,
        lower=(lower,) * len(shape),
        upper=tuple(lower + length for length in lengths),
        boundary=parse_boundary(boundary, axes),
        nodes_on_boundary=(nodes,) * len(shape),
    )


def points(grid: Grid) -> tuple[torch.Tensor, ...]:
    """Coordinates of the grid points, one array of the grid's shape for each axis."""
    return torch.meshgrid(*map(torch.from_numpy, axis_points(grid).values()), indexing="ij")
