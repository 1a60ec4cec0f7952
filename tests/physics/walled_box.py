"""Boxes with walls for the tests, with unequal spacings other than 1 and corners off the origin."""

import torch

from hybrid_pde.domain.grid import Grid, Side

LOWER = (-0.2, 1.1, 0.4)
LENGTHS = (0.7, 3.0, 1.9)


def box(
    shape: tuple[int, ...],
    boundary: tuple[tuple[Side, Side], ...],
    on_walls: tuple[bool, ...] | None = None,
) -> Grid:
    dims = len(shape)
    ends = zip(LOWER[:dims], LENGTHS[:dims], strict=True)
    return Grid(
        axes=("x", "y", "z")[:dims],
        shape=shape,
        lower=LOWER[:dims],
        upper=tuple(lower + length for lower, length in ends),
        boundary=boundary,
        nodes_on_boundary=on_walls or (False,) * dims,
    )


def points_of(grid: Grid) -> tuple[torch.Tensor, ...]:
    """Coordinates of the points, one array of the grid's shape for each axis."""
    lines = [
        lower + dx * (torch.arange(n, dtype=torch.float64) + (0.0 if on_wall else 0.5))
        for lower, dx, n, on_wall in zip(
            grid.lower, grid.spacing, grid.shape, grid.nodes_on_boundary, strict=True
        )
    ]
    return torch.meshgrid(*lines, indexing="ij")
