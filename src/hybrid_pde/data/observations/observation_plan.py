"""What of a simulation's frames a calibration may see, and the noise that is added to it.

Layout of native tensors: ``C`` channels, ``X Y Z`` space. Everything drawn depends on the seed, the
simulation, the field and the frame alone, so that it is the same in whatever order it is asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hybrid_pde.config.error_messages import suggest
from hybrid_pde.config.schema import Interval, ObservationParams
from hybrid_pde.domain.grid import FieldLayout, Grid, axis_points
from hybrid_pde.errors import ConfigError

SLACK = 1e-3  # of a step or a spacing: how far a stated time or end may lie from a frame or point
POINTS, NOISE = 0, 1  # what a stream of random numbers is for
KEY = "data.observations"


@dataclass(frozen=True)
class ObservationPlan:
    """What may be seen of one simulation.

    Attributes:
        grid: Grid of the fields.
        layouts: Fields by name.
        times: Time of each frame [time].
        visible: Positions of the visible points in the flattened grid, by frame; frames that are
            not seen at all are left out.
        noise_level: Standard deviation of the noise as a share of the field's.
        seed: Entropy of the noise.
        initial_known: Whether frame 0 is given whole, not observed.
    """

    grid: Grid
    layouts: Mapping[str, FieldLayout]
    times: tuple[float, ...]
    visible: Mapping[int, torch.Tensor]
    noise_level: float
    seed: tuple[int, ...]
    initial_known: bool

    @property
    def times_seen(self) -> tuple[float, ...]:
        """Times of the frames of which anything is observed [time]."""
        return tuple(self.times[frame] for frame in sorted(self.visible))

    def mask(self, name: str, frame: int, values: torch.Tensor | None = None) -> torch.Tensor:
        """Where a field is seen, ``[C, *space]`` of booleans.

        Args:
            name: The field.
            frame: Counted from 0, the initial state, which is seen everywhere if it is known.
            values: The field's values ``[C, *space]``; those that are NaN are missing, not seen.
        """
        seen = torch.full(self.grid.shape, frame == 0 and self.initial_known)
        if frame in self.visible:
            seen.view(-1)[self.visible[frame]] = True
        seen = seen.repeat(self.layouts[name].channels, *(1,) * seen.ndim)
        return seen if values is None else seen & ~torch.isnan(values)

    def noise(self, name: str, frame: int, values: torch.Tensor, scale: float) -> torch.Tensor:
        """Values ``[C, *space]`` with Gaussian noise of the plan's level times ``scale``.

        Args:
            name: The field.
            frame: Counted from 0.
            values: Its values.
            scale: Standard deviation of the field over the simulation's frames.
        """
        if self.noise_level == 0:
            return values
        field = list(self.layouts).index(name)
        generator = np.random.default_rng([*self.seed, NOISE, field, frame])
        drawn = torch.from_numpy(generator.standard_normal(tuple(values.shape)))
        return values + (self.noise_level * scale) * drawn.to(values.dtype)


def plan_observations(
    section: ObservationParams,
    grid: Grid,
    times: Sequence[float],
    layouts: Sequence[FieldLayout],
    simulation_index: int,
    seed: int,
    initial_known: bool = True,
) -> ObservationPlan:
    """What an experiment lets a calibration see of one simulation.

    ``times`` and ``every`` choose frames, ``region`` chooses points, and ``points`` draws that many
    pairs of a frame and a point from what they leave; every field and channel is seen there.

    Args:
        section: What may be seen.
        grid: Grid of the fields.
        times: Time of each frame [time].
        layouts: The fields that change in time.
        simulation_index: Which simulation it is; every one gets its own points and noise.
        seed: Used where the section has none of its own.
        initial_known: Whether frame 0 is given whole; else it is observed as the others are.

    Raises:
        ConfigError: if a time is that of no frame, an axis is unknown, there are fewer pairs than
            ``points``, or nothing is left to be seen; naming the key.
    """
    first = 1 if initial_known else 0
    frames = _visible_frames(section, times, first, f"simulation {simulation_index}")
    places = _visible_points(section.region, grid)
    entropy = (seed if section.seed is None else section.seed, simulation_index)
    visible = dict.fromkeys(frames, places)
    if section.points is not None:
        visible = _drawn(section.points, frames, places, entropy)
    return ObservationPlan(
        grid=grid,
        layouts={layout.name: layout for layout in layouts},
        times=tuple(times),
        visible=visible,
        noise_level=section.noise,
        seed=entropy,
        initial_known=initial_known,
    )


def _visible_frames(
    section: ObservationParams, times: Sequence[float], first: int, simulation: str
) -> list[int]:
    """Numbers of the frames from ``first`` on that ``times`` and ``every`` leave."""
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


def _visible_points(region: Mapping[str, Interval], grid: Grid) -> torch.Tensor:
    """Positions of the region's points in the flattened grid; its ends belong to it."""
    inside = torch.ones(grid.shape, dtype=torch.bool)
    for axis, (lower, upper) in region.items():
        if axis not in grid.axes:
            raise ConfigError(f"{KEY}.region: {suggest(axis, grid.axes)}")
        number = grid.axes.index(axis)
        slack = SLACK * grid.spacing[number]
        points = torch.from_numpy(axis_points(grid)[axis])
        along = torch.ones_like(points, dtype=torch.bool)
        if lower is not None:
            along &= points >= lower - slack
        if upper is not None:
            along &= points <= upper + slack
        if not bool(along.any()):
            raise ConfigError(
                f"{KEY}.region.{axis}: {[lower, upper]}: hides everything; the points lie at "
                f"{float(points[0]):.6g} … {float(points[-1]):.6g}"
            )
        inside &= along.reshape([-1 if n == number else 1 for n in range(inside.ndim)])
    return inside.reshape(-1).nonzero().reshape(-1)


def _drawn(
    points: int, frames: Sequence[int], places: torch.Tensor, entropy: Sequence[int]
) -> dict[int, torch.Tensor]:
    """Visible points by frame: random pairs of a frame and a point, none of them twice."""
    pairs = len(frames) * len(places)
    if points > pairs:
        raise ConfigError(
            f"{KEY}.points: {points}: simulation {entropy[1]} has {pairs} pairs of a frame and a "
            f"point to draw from ({len(frames)} frames of {len(places)} points)"
        )
    generator = np.random.default_rng([*entropy, POINTS])
    chosen = np.sort(generator.choice(pairs, points, replace=False))
    number, place = chosen // len(places), torch.from_numpy(chosen % len(places))
    return {
        frames[each]: places[place[torch.from_numpy(number == each)]] for each in np.unique(number)
    }
