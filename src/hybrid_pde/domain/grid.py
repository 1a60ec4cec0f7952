"""Grid of a simulation, and layout of its fields."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_pde.domain.type_adapters import adapter_of

PERIODIC = "periodic"
ZERO_GRADIENT = "zero-gradient"

Side = str | float  # "periodic", "zero-gradient", or the fixed value on that side


@dataclass(frozen=True)
class Grid:
    """A uniform rectilinear grid with axes in ascending order x, y, z.

    Attributes:
        axes: Names of the spatial axes, e.g. ``("x", "y")``.
        shape: Number of points along each axis.
        lower: Lower end of the domain along each axis [length].
        upper: Upper end of the domain along each axis [length].
        boundary: For each axis the condition on its (lower, upper) side.
        nodes_on_boundary: For each axis whether the first and last points lie on the ends of the
            domain (``dx = L / (n - 1)``) instead of half a cell inside (``dx = L / n``). A
            periodic axis is always ``n`` cells of ``L / n``.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    boundary: tuple[tuple[Side, Side], ...]
    nodes_on_boundary: tuple[bool, ...]

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between neighbouring points along each axis [length]."""
        return tuple(
            (upper - lower) / (points - 1 if nodes else points)
            for lower, upper, points, nodes in zip(
                self.lower, self.upper, self.shape, self.nodes_on_boundary, strict=True
            )
        )

    @property
    def is_periodic(self) -> bool:
        """True if every axis is periodic."""
        return all(sides == (PERIODIC, PERIODIC) for sides in self.boundary)

    def to_dict(self) -> dict[str, Any]:
        """The grid as JSON types."""
        return {key: _as_lists(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Grid":
        """The inverse of :meth:`to_dict`.

        Raises:
            ValueError: if the values have other types, or are not a grid.
        """
        grid = adapter_of(cls).validate_python(values)
        extents = list(zip(grid.lower, grid.upper, grid.shape, strict=True))
        is_grid = (
            len(grid.axes) == len(extents) == len(grid.boundary) == len(grid.nodes_on_boundary)
        )
        for lower, upper, points in extents:
            is_grid &= -math.inf < lower < upper < math.inf and points > 1
        if not is_grid:
            raise ValueError(f"no grid: {dict(values)}")
        return grid


@dataclass(frozen=True)
class FieldLayout:
    """One field of a simulation: its channels and whether it changes in time.

    Attributes:
        name: Name in ``data.fields``.
        components: Axis of each vector component in ascending order, e.g. ``("x", "y")``; empty
            for a scalar, which has one channel.
        static: Whether the field is constant in time (stored without a time axis).
    """

    name: str
    components: tuple[str, ...] = ()
    static: bool = False

    @property
    def channels(self) -> int:
        """Number of channels in the native layout."""
        return max(1, len(self.components))

    def to_dict(self) -> dict[str, Any]:
        """The layout as JSON types."""
        return {key: _as_lists(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FieldLayout":
        """The inverse of :meth:`to_dict`.

        Raises:
            ValueError: if the values have other types.
        """
        return adapter_of(cls).validate_python(values)


def axis_points(grid: Grid) -> dict[str, NDArray[np.float64]]:
    """Coordinates of the grid's points along each axis [length]."""
    return {
        axis: lower + spacing * (np.arange(points, dtype=np.float64) + (0.0 if nodes else 0.5))
        for axis, lower, spacing, points, nodes in zip(
            grid.axes, grid.lower, grid.spacing, grid.shape, grid.nodes_on_boundary, strict=True
        )
    }


def _as_lists(value: Any) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value
