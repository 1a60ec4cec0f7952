"""Where the points of a grid are."""

import numpy as np
from numpy.typing import NDArray

from hybrid_pde.domain.grid import Grid


def axis_points(grid: Grid) -> dict[str, NDArray[np.float64]]:
    """Positions of the grid's points along each axis [length]."""
    return {
        axis: lower + spacing * (np.arange(points, dtype=np.float64) + (0.0 if nodes else 0.5))
        for axis, lower, spacing, points, nodes in zip(
            grid.axes, grid.lower, grid.spacing, grid.shape, grid.nodes_on_boundary, strict=True
        )
    }
