"""Spatial axes: check of uniform coordinates, cropping, and the ends of the domain."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from hybrid_pde.config.schema import DataParams
from hybrid_pde.domain.grid import PERIODIC, Grid, Side
from hybrid_pde.errors import ConfigError, RawDataError

UNIFORMITY = 1e-3  # largest departure of a spacing from the mean one, in spacings
FIT = 1e-2  # allowed distance between ``data.domain`` and the coordinates, in spacings


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a file and the part of it that is selected.

    Attributes:
        name: ``x``, ``y`` or ``z``.
        size: Number of points in the file.
        coordinates: Coordinates of all points, ascending.
        descending: Whether they are in descending order in the file.
        start: First selected point, counted in ascending order.
        stop: One past the last selected point.
        coarsen: Number of neighbouring points that are averaged into one.
        repeats: Whether the last point of a periodic axis, which is left out, repeats the first.
    """

    name: str
    size: int
    coordinates: np.ndarray
    descending: bool
    start: int
    stop: int
    coarsen: int
    repeats: bool = False

    @property
    def is_cropped(self) -> bool:
        """True if some points are left out."""
        return self.stop - self.start < self.size - self.repeats

    @property
    def in_file(self) -> slice:
        """The selected points in the order of the file."""
        if self.descending:
            return slice(self.size - self.stop, self.size - self.start)
        return slice(self.start, self.stop)

    def file_index(self, index: int) -> int:
        """Index in the file of a selected point."""
        ascending = self.start + index
        return self.size - 1 - ascending if self.descending else ascending


def make_axis(
    name: str, size: int, values: np.ndarray | None, resolution: float, data: DataParams
) -> Axis:
    """The axis with the given coordinate values.

    Args:
        name: ``x``, ``y`` or ``z``.
        size: Number of points in the file.
        values: Coordinates in the file's order, or ``None``.
        resolution: Distance between neighbouring representable numbers [length].
        data: The experiment's ``data`` section.

    Raises:
        RawDataError: if they are not uniform; the caller adds the file's name.
        ConfigError: if ``data.select`` does not fit.
    """
    crop = data.select.crop.get(name, (None, None))
    coarsen = data.select.coarsen.get(name, 1)
    if values is None:
        if name not in data.domain:
            raise RawDataError(
                f"no coordinate variable; give the ends of the domain, data.domain: {{{name}: "
                "[lower, upper]}"
            )
        lower, upper = data.domain[name]
        values = lower + (np.arange(size) + 0.5) * (upper - lower) / size
    _check_uniform(values, resolution)
    descending = bool(values[0] > values[-1])
    ascending = values[::-1] if descending else values
    start, stop = _crop(name, ascending, crop)
    if (stop - start) % coarsen:
        raise ConfigError(
            f"data.select.coarsen.{name}: {coarsen}: {stop - start} selected points are not "
            "divisible by it"
        )
    return Axis(name, size, ascending, descending, start, stop, coarsen)


def without_repeated(axis: Axis) -> Axis:
    """A periodic axis without its last point, which repeats the first."""
    return replace(axis, stop=axis.size - 1, repeats=True)


def make_grid(
    axes: list[Axis],
    boundary: tuple[tuple[Side, Side], ...],
    data: DataParams,
    nodal: Collection[str] = (),
) -> Grid:
    """The grid of the selected points.

    Args:
        axes: The axes.
        boundary: Condition on the sides of each.
        data: The experiment's ``data`` section.
        nodal: Axes with outer points on the ends of the domain, as their values show.

    Raises:
        RawDataError: if ``data.domain`` does not fit the coordinates; without the file's name.
        ConfigError: if the selection contradicts the boundary.
    """
    ends = [
        _ends(axis, sides == (PERIODIC, PERIODIC), data.domain.get(axis.name), axis.name in nodal)
        for axis, sides in zip(axes, boundary, strict=True)
    ]
    for axis, (_, _, nodes) in zip(axes, ends, strict=True):
        if nodes and axis.coarsen > 1:
            raise ConfigError(
                f"data.select.coarsen.{axis.name}: {axis.coarsen}: the points lie on the boundary; "
                "only cells can be averaged"
            )
    return Grid(
        axes=tuple(axis.name for axis in axes),
        shape=tuple((axis.stop - axis.start) // axis.coarsen for axis in axes),
        lower=tuple(lower for lower, _, _ in ends),
        upper=tuple(upper for _, upper, _ in ends),
        boundary=boundary,
        nodes_on_boundary=tuple(nodes for _, _, nodes in ends),
    )


def _check_uniform(values: np.ndarray, resolution: float) -> None:
    if not np.isfinite(values).all():
        raise RawDataError(
            f"missing value at index {np.flatnonzero(~np.isfinite(values))[0]}; complete the "
            "coordinate in the file"
        )
    steps = np.diff(values)
    mean = (values[-1] - values[0]) / (len(values) - 1)
    rounding = min(2 * resolution, abs(mean) / 20)
    wrong = (np.abs(steps - mean) > UNIFORMITY * abs(mean) + rounding) | (steps * mean <= 0)
    if wrong.any():
        index = int(np.abs(steps - np.median(steps)).argmax())
        raise RawDataError(
            f"the grid is not uniform: from index {index} ({values[index]:.9g}) to {index + 1} "
            f"({values[index + 1]:.9g}), the mean spacing is {mean:g}"
        )


def _crop(
    name: str, ascending: np.ndarray, crop: tuple[float | None, float | None]
) -> tuple[int, int]:
    slack = UNIFORMITY * (ascending[-1] - ascending[0]) / (len(ascending) - 1)
    lower = -np.inf if crop[0] is None else crop[0]
    upper = np.inf if crop[1] is None else crop[1]
    inside = np.flatnonzero((ascending >= lower - slack) & (ascending <= upper + slack))
    if len(inside) < 2:
        raise ConfigError(
            f"data.select.crop.{name}: {list(crop)}: leaves {len(inside)} point(s) of "
            f"{ascending[0]:g} … {ascending[-1]:g}; two or more are needed"
        )
    return int(inside[0]), int(inside[-1]) + 1


def _ends(
    axis: Axis, periodic: bool, domain: tuple[float, float] | None, nodal: bool
) -> tuple[float, float, bool]:
    """Lower end, upper end, and whether the outer points lie on the ends."""
    selected = axis.coordinates[axis.start : axis.stop]
    spacing = float(selected[-1] - selected[0]) / (len(selected) - 1)
    if nodal:
        return float(selected[0]), float(selected[-1]), True
    cells = (float(selected[0]) - spacing / 2, float(selected[-1]) + spacing / 2, False)
    if domain is not None:
        fitting = _fit(selected, spacing, periodic, domain)
        if fitting is not None:
            return fitting
        if not axis.is_cropped or _fit(axis.coordinates, spacing, periodic, domain) is None:
            raise RawDataError(_misfit(axis.name, selected, spacing, periodic, domain))
    if periodic and axis.is_cropped:
        raise ConfigError(
            f"data.select.crop.{axis.name}: a part of a periodic axis is not periodic; state the "
            "condition on the sides of the part in data.boundary"
        )
    return cells


def _fit(
    points: np.ndarray, spacing: float, periodic: bool, domain: tuple[float, float]
) -> tuple[float, float, bool] | None:
    lower, upper = domain
    below, above = (points[0] - lower) / spacing, (upper - points[-1]) / spacing
    if periodic:
        # The length is n·dx, and the first point may lie anywhere in the first cell. It stays where
        # it is, at the centre of a cell: a forcing, a sensor or a region refers to the same axis.
        if not (abs(below + above - 1) <= FIT and -FIT <= below <= 1 + FIT):
            return None
        if abs(below - 0.5) <= FIT:
            return lower, upper, False
        start = float(points[0]) - spacing / 2
        return start, start + upper - lower, False
    for inside, nodes in ((0.5, False), (0.0, True)):
        if abs(below - inside) <= FIT and abs(above - inside) <= FIT:
            return lower, upper, nodes
    return None


def _misfit(
    name: str, points: np.ndarray, spacing: float, periodic: bool, domain: tuple[float, float]
) -> str:
    first, last = float(points[0]), float(points[-1])
    if periodic:
        wanted = f"a periodic box of {len(points)} points is {len(points) * spacing:.9g} long"
        if abs(last - first - (domain[1] - domain[0])) <= FIT * spacing:
            wanted += (
                "; the first and the last point are the same one, leave it out with "
                f"data.select.crop: {{{name}: [null, {last - spacing / 2:.6g}]}}"
            )
    else:
        wanted = (
            f"either [{first:.9g}, {last:.9g}] (points on the boundary) or "
            f"[{first - spacing / 2:.9g}, {last + spacing / 2:.9g}] (cell centres)"
        )
    return (
        f"data.domain: {{{name}: {list(domain)}}} does not fit the coordinates {first:.9g} … "
        f"{last:.9g}, {spacing:.9g} apart: {wanted}"
    )
