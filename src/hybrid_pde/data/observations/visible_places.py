"""Frames and points of a simulation that ``data.observations`` leaves visible."""

from collections.abc import Mapping, Sequence

import numpy as np

from hybrid_pde.config.error_messages import suggest
from hybrid_pde.config.schema import Interval, ObservationParams
from hybrid_pde.domain.grid import Grid, axis_points
from hybrid_pde.errors import ConfigError

SLACK = 1e-3  # of a step or a spacing: allowed distance of a stated time or end from a point
KEY = "data.observations"


def visible_frames(
    section: ObservationParams, times: Sequence[float], first: int, simulation: str
) -> list[int]:
    """Indices of the frames from ``first`` on that ``times`` and ``every`` choose.

    Args:
        section: The experiment's ``data.observations``.
        times: Time of each frame [time].
        first: First frame that counts; 1 if the initial state is known.
        simulation: The simulation, for messages.

    Raises:
        ConfigError: if there is no frame at a time, or every frame is hidden.
    """
    frames = [frame for frame in range(first, len(times)) if frame % section.every == 0]
    if not frames:
        raise ConfigError(
            f"{KEY}.every: {section.every}: hides everything; {simulation} has "
            f"{len(times) - first} frames after its first"
        )
    if section.times is None:
        return frames
    stated = {_frame_at(time, times, simulation) for time in section.times}
    if not stated - set(range(first)):
        raise ConfigError(
            f"{KEY}.times: {section.times}: hides everything; name times after the initial state"
        )
    if not stated & set(frames):
        raise ConfigError(
            f"{KEY}.times: {section.times}: together with {KEY}.every: {section.every} it hides "
            "everything; leave one of them out"
        )
    return [frame for frame in frames if frame in stated]


def _frame_at(time: float, times: Sequence[float], simulation: str) -> int:
    dt = (times[-1] - times[0]) / (len(times) - 1)
    nearest = int(np.abs(np.asarray(times) - time).argmin())
    if abs(times[nearest] - time) > SLACK * dt:
        raise ConfigError(
            f"{KEY}.times: {time:.9g}: {simulation} has no frame at that time; the nearest is at "
            f"{times[nearest]:.9g}, and they are {dt:.6g} apart"
        )
    return nearest


def visible_points(region: Mapping[str, Interval], grid: Grid) -> np.ndarray:
    """Positions of the region's points in the flattened grid; the region includes its ends.

    Raises:
        ConfigError: if an axis is unknown or the region has no point.
    """
    inside = np.ones(grid.shape, dtype=bool)
    for axis, (lower, upper) in region.items():
        if axis not in grid.axes:
            raise ConfigError(f"{KEY}.region: {suggest(axis, grid.axes)}")
        number = grid.axes.index(axis)
        slack = SLACK * grid.spacing[number]
        points = axis_points(grid)[axis]
        along = np.ones(len(points), dtype=bool)
        if lower is not None:
            along &= points >= lower - slack
        if upper is not None:
            along &= points <= upper + slack
        if not along.any():
            raise ConfigError(
                f"{KEY}.region.{axis}: {[lower, upper]}: hides everything; the points lie at "
                f"{float(points[0]):.6g} … {float(points[-1]):.6g}"
            )
        inside &= along.reshape([-1 if n == number else 1 for n in range(inside.ndim)])
    return np.flatnonzero(inside)


def check_visible(
    section: ObservationParams,
    grid: Grid,
    times: Sequence[float],
    simulation_index: int,
    initial_known: bool = True,
) -> tuple[list[int], np.ndarray]:
    """Frames and points of a simulation that may be visible, without those drawn by ``points``.

    Args:
        section: The experiment's ``data.observations``.
        grid: Grid of the fields.
        times: Time of each frame [time].
        simulation_index: Index of the simulation, for messages.
        initial_known: Whether frame 0 is given completely; else it is observed like the others.

    Returns:
        Indices of the frames, and positions of the points in the flattened grid.

    Raises:
        ConfigError: if there is no frame at a time, an axis is unknown, there are fewer pairs than
            ``points``, or everything is hidden; naming the key.
    """
    name = f"simulation {simulation_index}"
    frames = visible_frames(section, times, 1 if initial_known else 0, name)
    places = visible_points(section.region, grid)
    pairs = len(frames) * len(places)
    if section.points is not None and section.points > pairs:
        raise ConfigError(
            f"{KEY}.points: {section.points}: {name} has {pairs} pairs of a frame and a point to "
            f"draw from ({len(frames)} frames of {len(places)} points)"
        )
    return frames, places
