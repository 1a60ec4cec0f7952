"""Time coordinates: conversion to seconds, selection of frames, check of uniform steps."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hybrid_pde.config.schema import SelectParams
from hybrid_pde.domain.units import calendar_name, reference_date, unit_name, unit_seconds
from hybrid_pde.errors import ConfigError, RawDataError

UNIFORMITY = 1e-3  # largest departure of a step from the mean one, in steps
SOLAR = {"standard", "proleptic_gregorian"}  # they agree from 1582-10-15 on
# Rounded times depart from the fitted line by up to the distance between neighbouring numbers (half
# of it is rounding, half the fit's). If that were more than 0.15 of a step, a missing frame among
# three or more could be taken for rounding.
LARGEST_ROUNDING = 0.15


@dataclass(frozen=True)
class Frames:
    """The selected frames: their indices in the file and their times [time]."""

    indices: slice
    times: np.ndarray

    @property
    def dt(self) -> float:
        """Mean time between the frames [time]; 1 if there is only one."""
        if len(self.times) == 1:
            return 1.0
        return float(self.times[-1] - self.times[0]) / (len(self.times) - 1)


@dataclass(frozen=True)
class TimeUnit:
    """Unit, reference date and calendar of a file's times.

    Attributes:
        scale: Factor from the file's times to those of this program.
        name: Unit of the latter, ``s`` if the file or the experiment states any, else empty.
        epoch: Reference date; empty without one.
        calendar: Calendar of the reference date.
        of_file: Unit of the file's times, ``day``; empty if it is that of this program, or unknown.
    """

    scale: float
    name: str
    epoch: str
    calendar: str
    of_file: str = ""


def time_unit(attrs: Mapping[Any, Any], fallback: str | None) -> TimeUnit:
    """The unit of a time coordinate; times with a unit are converted to seconds.

    Args:
        attrs: Attributes of the coordinate.
        fallback: ``data.time_unit``, for a file without a unit or with a unit of no fixed length.

    Raises:
        ConfigError: if ``data.time_unit`` is not a unit of time.
        ValueError: if the file's unit is not a unit of time, or contradicts ``data.time_unit``.
    """
    calendar = calendar_name(attrs.get("calendar"))
    unit = None if attrs.get("units") is None else str(attrs["units"])
    try:
        stated = unit_seconds(fallback, calendar)
    except ValueError as error:
        raise ConfigError(f"data.time_unit: {error}") from None
    name, seconds = "s", None
    try:
        seconds = unit_seconds(unit, calendar)
    except ValueError as error:
        if stated is None:
            raise ValueError(
                f"{error}; if all steps are equally long, set data.time_unit to their unit (s "
                "keeps the times as they are), else interpolate to equal steps"
            ) from None
        name = "s" if stated != 1.0 else str(unit).split()[0]  # s keeps times of another unit
    if seconds is not None and stated is not None and seconds != stated:
        raise ValueError(f"the unit is {unit!r} but data.time_unit is {fallback!r}; leave it out")
    scale = seconds or stated
    of_file = unit_name(str(unit if seconds else fallback)) if scale and scale != 1.0 else ""
    return TimeUnit(scale or 1.0, name if scale else "", reference_date(unit), calendar, of_file)


def shift_of_epoch(epoch: str, calendar: str, target: str, target_calendar: str) -> float:
    """Seconds from one reference date to another: to be added to times that count from the first.

    Args:
        epoch: A reference date; empty for times without one.
        calendar: Its calendar.
        target: The other reference date.
        target_calendar: Its calendar.

    Raises:
        ValueError: naming both, if only one is a date, or the calendars differ.
    """
    if (epoch, calendar) == (target, target_calendar) or not (epoch or target):
        return 0.0
    here, there = (
        f"from {date} (calendar {name})" if date else "from no reference date"
        for date, name in ((epoch, calendar), (target, target_calendar))
    )
    both = f"the times count {here}, those of the data set's first file {there}"
    if not (epoch and target):
        raise ValueError(
            f"{both}; give both a reference date, or neither: the attribute units, "
            "'seconds since …'"
        )
    if not calendar == target_calendar and not {calendar, target_calendar} <= SOLAR:
        raise ValueError(f"{both}; times of two calendars have no common axis, convert one file")
    import cftime

    try:
        date = cftime.num2date(0, f"seconds since {epoch}", calendar)
        zero = cftime.num2date(0, f"seconds since {target}", target_calendar)
        return float((_proleptic(date) - _proleptic(zero)).total_seconds())
    except (ValueError, OverflowError, TypeError) as error:
        raise ValueError(f"{both}; one is no date ({error}); mend it") from None


def _proleptic(date: Any) -> Any:
    """Dates of the two solar calendars in one; the others as they are."""
    if date.calendar not in SOLAR:
        return date
    return date.change_calendar("proleptic_gregorian")


def select_frames(times: np.ndarray, select: SelectParams, resolution: np.ndarray) -> Frames:
    """The frames selected by the experiment, checked to be uniform in time.

    Args:
        times: Time of every frame in the file [time].
        select: Time range and stride.
        resolution: Distance from each time to the next representable number [time]; times that
            differ from equal steps by their rounding only are replaced by equal ones.

    Raises:
        RawDataError: without the file's name, which the caller adds.
    """
    if not np.isfinite(times).all():
        index = int(np.flatnonzero(~np.isfinite(times))[0])
        raise RawDataError(
            f"missing value at index {index}; write the file again without this frame, or with its "
            "time"
        )
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
    wrong = (np.abs(steps - frames.dt) > UNIFORMITY * frames.dt) | (steps <= 0)
    if not wrong.any():
        return frames
    even = _without_rounding(frames, resolution[frames.indices])
    if even is None:
        raise RawDataError(_why_not_uniform(frames, select.stride))
    return even


def _without_rounding(frames: Frames, resolution: np.ndarray) -> Frames | None:
    """The frames at equal steps, if rounding of the times explains that their steps differ."""
    count = np.arange(len(frames.times))
    slope, offset = np.polyfit(count, frames.times - frames.times[0], 1)
    even = frames.times[0] + offset + slope * count
    departure = np.abs(even - frames.times)
    if slope <= 0 or resolution.max() > LARGEST_ROUNDING * slope:
        return None
    if (departure > resolution.max()).any():
        return None
    return replace(frames, times=even)


def _why_not_uniform(frames: Frames, stride: int) -> str:
    steps = np.diff(frames.times)
    if (steps < 0).all():
        return (
            f"decreasing times: from {frames.times[0]:.9g} to {frames.times[-1]:.9g}; write the "
            'file again in the order of time (xarray: sortby("time"))'
        )
    if (steps <= 0).any():
        index = int(np.flatnonzero(steps <= 0)[0])
        kind = "duplicate" if steps[index] == 0 else "decreasing"
        last, first = frames.times[index] - frames.dt / 2, frames.times[index + 1] + frames.dt / 2
        return (
            f"{kind} times: {_step(frames, index, stride)}, as after a restart; write the file "
            'again without the repeated frames (xarray: drop_duplicates("time")), or read the '
            f"part before or after with data.select.time: [null, {last:.9g}] or [{first:.9g}, null]"
        )
    index = int(np.abs(steps - np.median(steps)).argmax())
    return (
        f"the time step is not uniform: {_step(frames, index, stride)}, "
        f"the mean step is {frames.dt:g}; select a uniform part with data.select.time, or "
        "interpolate to equal steps"
    )


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
