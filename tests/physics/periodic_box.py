"""Periodic boxes and configurations of the built-in equations for the tests."""

from typing import Any

import torch

from hybrid_pde.domain.grid import PERIODIC, Grid


def periodic_grid(shape: tuple[int, ...], lengths: tuple[float, ...]) -> Grid:
    axes = ("x", "y", "z")[: len(shape)]
    return Grid(
        axes=axes,
        shape=shape,
        lower=(0.0,) * len(shape),
        upper=lengths,
        boundary=((PERIODIC, PERIODIC),) * len(shape),
        nodes_on_boundary=(False,) * len(shape),
    )


def coordinates(grid: Grid) -> tuple[torch.Tensor, ...]:
    """Coordinates of the cell centres, one array of the grid's shape for each axis."""
    lines = [
        lower + dx * (torch.arange(n, dtype=torch.float64) + 0.5)
        for lower, dx, n in zip(grid.lower, grid.spacing, grid.shape, strict=True)
    ]
    return torch.meshgrid(*lines, indexing="ij")


def physical_config(
    name: str,
    pde_params: dict[str, Any],
    learnable: list[dict[str, Any]] | None = None,
    numerics: dict[str, Any] | None = None,
    **training: Any,
) -> dict[str, Any]:
    return {
        "run_params": {"model_type": "physical"},
        "model": {"physical": {"name": name, "pde_params": pde_params, "numerics": numerics or {}}},
        "trainer_params": {"learnable_parameters": learnable or [], **training},
    }
