"""Comparison of two files, raw or cached: fields, time step and grid must agree."""

import math
from typing import Protocol

from hybrid_pde.domain.grid import FieldLayout, Grid

TOLERANCE = 1e-3  # of a step in time or space, as for uniformity


class Described(Protocol):
    """The description of a raw file or a cached simulation."""

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The fields."""

    @property
    def dt(self) -> float:
        """Time between frames [time]."""

    @property
    def grid(self) -> Grid:
        """The grid."""


def disagreement(info: Described, reference: Described) -> str | None:
    """The first difference, as ``… here, …`` that the caller completes; or ``None``.

    Times of the first frame and numbers of frames may differ.
    """
    names, others = ([each.name for each in side.layouts] for side in (info, reference))
    if names != others:
        return f"fields: {', '.join(names)} here, {', '.join(others)}"
    for layout, other in zip(info.layouts, reference.layouts, strict=True):
        if layout != other:
            return f"{layout.name}: {_describe(layout)} here, {_describe(other)}"
    if not math.isclose(info.dt, reference.dt, rel_tol=TOLERANCE):
        return f"time step: {info.dt:.9g} here, {reference.dt:.9g}"
    return _grid_disagreement(info.grid, reference.grid)


def _grid_disagreement(grid: Grid, reference: Grid) -> str | None:
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


def _describe(layout: FieldLayout) -> str:
    kind = f"a vector ({', '.join(layout.components)})" if layout.components else "a scalar"
    return f"{kind} {'without' if layout.static else 'with'} a time axis"
