"""Where a rollout stops to be compared with observations."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.training.physical.observations import Observations

# Two times closer than this share of a frame are one.
_SAME = 1e-9


@dataclass(frozen=True)
class Stop:
    """One time at which a window is looked at.

    Attributes:
        time: Time since the window's start, in frames.
        interval: Time since the stop before [time].
        frame: Which target frame is there, if any.
        reading: Which reading of the sensors is there, if any.
    """

    time: float
    interval: float
    frame: int | None = None
    reading: int | None = None


def stops_of(observations: Observations, numbers: Sequence[int], dt: float) -> list[Stop]:
    """The times of frames of which something is seen, and of readings, in order.

    Args:
        observations: The windows.
        numbers: Windows of equal course.
        dt: Time between frames [time].
    """
    window = observations.windows[numbers[0]]
    found: dict[float, dict[str, int]] = {}
    for frame in range(window.num_frames):
        seen = (observations.weight(numbers, frame, name) for name in observations.fields)
        if any(weight is not None for weight in seen):
            found[float(frame + 1)] = {"frame": frame}
    if window.readings is not None:
        for number, time in enumerate((window.readings.times / dt).tolist()):
            near = next((t for t in found if abs(t - time) < _SAME), time)
            found.setdefault(near, {})["reading"] = number
    times = sorted(found)
    return [
        Stop(time, (time - before) * dt, **found[time]) for before, time in pairwise([0.0, *times])
    ]


def conditions_at(conditions: Conditions, stops: Sequence[Stop], start: float = 0.0) -> Conditions:
    """Conditions with the series of frames interpolated to the stops, from the time ``start``."""
    if not conditions.series:
        return conditions
    times = torch.tensor([start, *(stop.time for stop in stops)], dtype=torch.float64)
    series = {}
    for name, values in conditions.series.items():
        below = times.floor().long().clamp(0, values.shape[1] - 2)
        share = (times - below).reshape(1, -1, *(1,) * (values.ndim - 2))
        series[name] = values[:, below] * (1 - share) + values[:, below + 1] * share
    return Conditions(conditions.constant, series)
