"""Whether two raw files describe simulations of the same kind."""

import math

from src.data.grid import Grid
from src.data.readers.base import RawFileInfo

TOLERANCE = 1e-3  # of a step in time or space, as for uniformity


def disagreement(info: RawFileInfo, reference: RawFileInfo) -> str | None:
    """What differs, as ``… here, … `` to be completed with the reference's name; or ``None``.

    Times of the first frame and numbers of frames may differ.
    """
    if info.layouts != reference.layouts:
        for layout, other in zip(info.layouts, reference.layouts, strict=True):
            if layout != other:
                return f"{layout.name}: {_describe(layout)} here, {_describe(other)}"
    if not math.isclose(info.dt, reference.dt, rel_tol=TOLERANCE):
        return f"time step: {info.dt:.9g} here, {reference.dt:.9g}"
    return grid_disagreement(info.grid, reference.grid)


def grid_disagreement(grid: Grid, reference: Grid) -> str | None:
    """What differs between two grids, as for :func:`disagreement`."""
    if grid.axes != reference.axes:
        return f"axes: {', '.join(grid.axes)} here, {', '.join(reference.axes)}"
    for place, axis in enumerate(grid.axes):
        for kind in ("shape", "boundary", "nodes_on_boundary"):
            here, there = getattr(grid, kind)[place], getattr(reference, kind)[place]
            if here != there:
                return f"{axis}: {kind.replace('_', ' ')} {here} here, {there}"
        slack = TOLERANCE * reference.spacing[place]
        ends = (grid.lower[place], grid.upper[place])
        others = (reference.lower[place], reference.upper[place])
        if any(abs(end - other) > slack for end, other in zip(ends, others, strict=True)):
            return f"{axis}: domain {list(ends)} here, {list(others)}"
    return None


def _describe(layout: object) -> str:
    components = getattr(layout, "components", ())
    kind = f"a vector ({', '.join(components)})" if components else "a scalar"
    return f"{kind} {'without' if getattr(layout, 'static', False) else 'with'} a time axis"
