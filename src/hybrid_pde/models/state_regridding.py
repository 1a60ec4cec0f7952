"""Interpolation of a state to the grid of a model.

Layout: ``C`` channel, ``X Y Z`` space.
"""

from dataclasses import replace

import numpy as np
import torch

from hybrid_pde.data.cache.compatibility import TOLERANCE
from hybrid_pde.data.initial_states.start_state import StartState
from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.errors import StateError
from hybrid_pde.numerics.interpolation import interpolation_matrix


def regridded(state: StartState, grid: Grid) -> StartState:
    """The state at the points of another grid, by polynomials of degree 5 along each axis.

    Nothing is averaged: integrals change, and a finer state leaves scales that the grid aliases.

    Raises:
        StateError: if the state is on another domain.
    """
    axes = range(len(grid.axes))
    for axis in axes:
        _check_domain(state, grid, axis)

    def moved(values: np.ndarray) -> np.ndarray:
        precise = torch.from_numpy(np.ascontiguousarray(values, np.float64))
        for axis in axes:
            precise = _along(precise, state.grid, grid, axis)
        return precise.numpy().astype(values.dtype)

    fields = {name: moved(values) for name, values in state.fields.items()}
    tensors = {name: moved(values) for name, values in state.tensors.items()}
    return replace(state, fields=fields, tensors=tensors, grid=grid)


def _check_domain(state: StartState, grid: Grid, axis: int) -> None:
    """Reject a state on another domain: the ends of a domain are known up to a cell."""
    ends = (state.grid.lower[axis], state.grid.upper[axis])
    wanted = (grid.lower[axis], grid.upper[axis])
    slack = 1e-6 * (wanted[1] - wanted[0])
    if PERIODIC in grid.boundary[axis]:
        is_same = abs(ends[1] - ends[0] - wanted[1] + wanted[0]) <= TOLERANCE * grid.spacing[axis]
    else:
        is_same = (
            max(abs(a - b) for a, b in zip(ends, wanted, strict=True)) <= (state.grid.spacing[axis])
        )
    if not is_same or ends[0] > wanted[0] + slack or ends[1] < wanted[1] - slack:
        raise StateError(
            f"{state.source}: {grid.axes[axis]}: the state reaches from {ends[0]:.6g} to "
            f"{ends[1]:.6g}, the domain of the model from {wanted[0]:.6g} to {wanted[1]:.6g}; give "
            "a state on the same domain"
        )


def _along(values: torch.Tensor, source: Grid, target: Grid, axis: int) -> torch.Tensor:
    """Values ``[C, *space]`` interpolated along one axis."""
    line = Grid(
        (source.axes[axis],),
        (source.shape[axis],),
        (source.lower[axis],),
        (source.upper[axis],),
        (source.boundary[axis],),
        (source.nodes_on_boundary[axis],),
    )
    offset = 0.0 if target.nodes_on_boundary[axis] else 0.5
    points = target.lower[axis] + target.spacing[axis] * (np.arange(target.shape[axis]) + offset)
    indices, weights = interpolation_matrix(line, points[:, None])
    moved = values.movedim(axis + 1, -1)
    return (moved[..., indices] * weights).sum(-1).movedim(-1, axis + 1)
