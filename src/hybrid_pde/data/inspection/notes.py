"""Notes on what is odd in raw files that can be read."""

from collections.abc import Iterator, Mapping, Sequence

from hybrid_pde.data.cache.announcements import ENDS
from hybrid_pde.data.inspection.field_statistics import FieldStatistics
from hybrid_pde.data.raw_files.raw_file import RawFileInfo
from hybrid_pde.domain.grid import PERIODIC, axis_points


def notes_on(
    info: RawFileInfo,
    statistics: Mapping[str, FieldStatistics],
    frames: Sequence[int],
    num_files: int,
    open_axes: Sequence[str] = (),
) -> list[str]:
    """Sentences on what is odd, or assumed.

    Args:
        info: Description of the first file.
        statistics: Statistics of each field.
        frames: Number of frames in each file that agrees with the first one.
        num_files: Number of files.
        open_axes: Axes with ends that do not meet.
    """
    return [
        *_of_values(statistics),
        *_of_simulations(info, frames, num_files),
        *_of_boundary(info, open_axes),
        *_of_units(info),
    ]


def _of_values(statistics: Mapping[str, FieldStatistics]) -> Iterator[str]:
    errors = dict.fromkeys(each.error for each in statistics.values() if each.error)
    yield from errors
    for name, found in statistics.items():
        if found.missing:
            yield (
                f"{name}: {found.missing} values are missing; fill them, exclude them with "
                "data.select, or calibrate without them: data.observations: {missing: mask}"
            )
        if found.is_constant:
            yield f"{name}: constant, all values are {found.lowest:.9g}"


def _of_simulations(info: RawFileInfo, frames: Sequence[int], num_files: int) -> Iterator[str]:
    if info.num_frames < 2:
        yield (
            "one state without a time axis, or one frame: it can be an initial state, but a "
            "simulation needs two frames or more"
        )
    if info.num_samples > 1:
        yield f"{info.num_samples} simulations in one file, along its sample axis"
    if num_files > 1 and len({*frames}) > 1:
        yield f"the files hold {min(frames)} to {max(frames)} frames; the shape is the first one's"
    static = [layout.name for layout in info.layouts if layout.static]
    if static and info.num_frames > 1:
        yield f"{', '.join(static)}: constant in time, without a time axis"


def _of_boundary(info: RawFileInfo, open_axes: Sequence[str]) -> Iterator[str]:
    grid, shown = info.grid, dict(info.units.ends)
    if not info.boundary_stated:
        yield (
            "no boundary stated; taken as periodic; data.boundary states another one "
            "(zero-gradient, a number, or one for each axis)"
        )
    periodic = [axis for axis in open_axes if PERIODIC in grid.boundary[grid.axes.index(axis)]]
    if periodic:
        yield not_periodic(periodic)
    for axis, kind in shown.items():
        yield f"{axis}: {ENDS[kind]}"
    for line in info.units.likely_ends:
        yield f"the points probably include both ends of the domain; if so, set {line}"
    for number, axis in enumerate(grid.axes):
        is_open = PERIODIC not in grid.boundary[number]
        if is_open and axis not in shown and not grid.nodes_on_boundary[number]:
            points = axis_points(grid)[axis]
            yield (
                f"{axis}: the points are taken as cell centres; if the outer ones lie on the "
                f"walls, set data.domain: {{{axis}: [{points[0]:.9g}, {points[-1]:.9g}]}}"
            )


def not_periodic(axes: Sequence[str]) -> str:
    """Sentence on axes with ends that do not meet."""
    walls = ", ".join(f"{axis}: zero-gradient" for axis in axes)
    return (
        f"the values at the two ends of {' and '.join(axes)} do not meet, so the box is probably "
        f"not periodic; for walls without a flux, data.boundary: {{{walls}}}"
    )


def _of_units(info: RawFileInfo) -> Iterator[str]:
    for name, own, unit in info.units.converted:
        yield f"{name}: converted from {own} to {unit}"
    for name in info.units.turned:
        yield f"{name}: changes sign, it is positive against its axis"
    for reason in info.units.unusable:
        yield f"no equation can be solved on these numbers: {reason}"
