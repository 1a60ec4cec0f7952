"""Time coordinates: their unit, whether they are uniform, and which frames are selected."""

from dataclasses import dataclass

import numpy as np

from hybrid_pde.config.schema import SelectParams
from hybrid_pde.domain.units import unit_seconds
from hybrid_pde.errors import ConfigError, RawDataError

UNIFORMITY = 1e-3  # largest departure of a step from the mean one, in steps


@dataclass(frozen=True)
class Frames:
    """The selected frames: where they are in the file, and when they are [time]."""

    indices: slice
    times: np.ndarray

    @property
    def dt(self) -> float:
        """Mean time between the frames [time]."""
        return float(self.times[-1] - self.times[0]) / (len(self.times) - 1)


def time_scale(unit: str | None, calendar: str, fallback: str | None) -> float:
    """Factor from the file's times to seconds; 1 where neither file nor experiment has a unit.

    Args:
        unit: The file's unit.
        calendar: The file's calendar.
        fallback: ``data.time_unit``, for a file without a unit, or with one of no fixed length.

    Raises:
        ConfigError: if ``data.time_unit`` is no unit of time.
        ValueError: if the file's unit is none, or contradicts ``data.time_unit``.
    """
    try:
        stated = unit_seconds(fallback, calendar)
    except ValueError as error:
        raise ConfigError(f"data.time_unit: {error}") from None
    try:
        seconds = unit_seconds(unit, calendar)
    except ValueError as error:
        if stated is None:
            raise ValueError(f"{error}; say it with data.time_unit (s: as it is)") from None
        seconds = None
    if seconds is not None and stated is not None and seconds != stated:
        raise ValueError(f"the unit is {unit!r} but data.time_unit is {fallback!r}; leave it out")
    return seconds or stated or 1.0


def select_frames(times: np.ndarray, select: SelectParams, resolution: np.ndarray) -> Frames:
    """The frames that the experiment selects, checked to be uniform in time.

    Args:
        times: Time of every frame in the file [time].
        select: Time range and stride.
        resolution: Distance from each time to the next number that the file could hold [time];
            times of single precision are uniform up to it.

    Raises:
        RawDataError: without the file's name, which the caller adds.
    """
    if not np.isfinite(times).all():
        index = int(np.flatnonzero(~np.isfinite(times))[0])
        raise RawDataError(f"missing value at index {index}")
    chosen = _in_range(times, select)
    frames = Frames(
        slice(chosen.start, chosen.stop, select.stride), times[chosen][:: select.stride]
    )
    if len(frames.times) < 2:
        raise RawDataError(
            f"{len(frames.times)} frame(s) of {len(times)} are selected; two or more are needed "
            f"(data.select: time {list(select.time) if select.time else 'all'}, "
            f"stride {select.stride}; the file has {times[0]:g} … {times[-1]:g})"
        )
    steps = np.diff(frames.times)
    if (steps <= 0).any():
        index = int(np.flatnonzero(steps <= 0)[0])
        kind = "duplicate" if steps[index] == 0 else "decreasing"
        raise RawDataError(f"{kind} times: {_step(frames, index, select.stride)}")
    # Rounding moves both ends of a step, but is no excuse for more than a twentieth of it.
    rounding = np.minimum(2 * resolution[frames.indices].max(), frames.dt / 20)
    wrong = np.abs(steps - frames.dt) > UNIFORMITY * frames.dt + rounding
    if wrong.any():
        index = int(np.abs(steps - np.median(steps)).argmax())
        raise RawDataError(
            f"the time step is not uniform: {_step(frames, index, select.stride)}, "
            f"the mean step is {frames.dt:g}; select a uniform part with data.select.time"
        )
    return frames


def _in_range(times: np.ndarray, select: SelectParams) -> slice:
    if select.time is None:
        return slice(0, len(times))
    lower, upper = select.time
    slack = UNIFORMITY * float(np.median(np.abs(np.diff(times)))) if len(times) > 1 else 0.0
    inside = np.ones(len(times), bool)
    if lower is not None:
        inside &= times >= lower - slack
    if upper is not None:
        inside &= times <= upper + slack
    indices = np.flatnonzero(inside)
    return slice(int(indices[0]), int(indices[-1]) + 1) if len(indices) else slice(0, 0)


def _step(frames: Frames, index: int, stride: int) -> str:
    first = frames.indices.start + index * stride
    return (
        f"from index {first} (t = {frames.times[index]:.9g}) "
        f"to index {first + stride} (t = {frames.times[index + 1]:.9g})"
    )
