"""Checks of the numerical scheme and the equation against the grid of the data."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hybrid_pde.config.schema import Experiment

if TYPE_CHECKING:
    from hybrid_pde.domain.grid import Grid

# Points that the widest stencil of a scheme reaches beyond; differences reach as far as their order
WIDEST = {"weno": 6}
DEFAULT_ORDER = 4  # of finite differences
LOWEST_ORDER = 2  # which `auto` may choose


def scheme_grid_errors(experiment: Experiment, grid: "Grid") -> Iterator[str]:
    """Errors if the scheme of the physical model cannot be used on the grid.

    Args:
        experiment: The typed experiment, with a physical model.
        grid: Grid of the data.
    """
    section = experiment.model.physical
    assert section is not None
    if section.pde_params.get("staggered"):
        yield from _staggered_errors(grid)
        return
    numerics = section.numerics
    scheme, order = numerics.scheme, numerics.order or DEFAULT_ORDER
    if scheme == "auto":
        scheme, order = "finite_difference", numerics.order or LOWEST_ORDER
    if scheme == "spectral" and not grid.is_periodic:
        sides = dict(zip(grid.axes, map(list, grid.boundary), strict=True))
        yield (
            "model.physical.numerics.scheme: spectral: needs periodic boundaries on every axis, "
            f"but data.boundary is {sides}; use finite_difference"
        )
    widest = order if scheme == "finite_difference" else WIDEST.get(scheme, LOWEST_ORDER)
    if min(grid.shape) <= widest:
        named = f"{scheme} of order {order}" if scheme == "finite_difference" else scheme
        yield (
            f"model.physical.numerics.scheme: {numerics.scheme}: {named} needs more than {widest} "
            f"points along each axis, but the data have {list(grid.shape)}; choose another scheme "
            "or order, or coarsen or crop the data less"
        )


def _staggered_errors(grid: "Grid") -> Iterator[str]:
    """Errors if the velocity cannot be located on cell faces."""
    key = "model.physical.pde_params.staggered: true"
    if any(grid.nodes_on_boundary):
        yield f"{key}: needs cell centres, but the points of the data lie on the boundary"
    fixed = [side for sides in grid.boundary for side in sides if not isinstance(side, str)]
    if any(fixed):
        yield (
            f"{key}: nothing may flow through the walls, but data.boundary has the value "
            f"{max(fixed, key=abs):g} for every component; use 0.0, a wall that fluid sticks to, "
            "or 'zero-gradient', one that it slips along"
        )
    if min(grid.shape) <= LOWEST_ORDER:
        yield (
            f"{key}: needs more than {LOWEST_ORDER} points along each axis, but the data have "
            f"{list(grid.shape)}"
        )
