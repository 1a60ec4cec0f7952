"""Times at which a rollout is compared with observations."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.training.physical.observations import Observations

# Times closer than this fraction of a frame are equal.
_TIME_TOLERANCE = 1e-9


@dataclass(frozen=True)
class ObservationTime:
    """One time of comparison.

    Attributes:
        time: Time since the window's start, in frames.
        interval: Time since the previous observation time [time].
        frame: Index of the target frame at this time, if any.
        reading: Index of the sensor reading at this time, if any.
    """

    time: float
    interval: float
    frame: int | None = None
    reading: int | None = None


def observation_times(
    observations: Observations, numbers: Sequence[int], dt: float
) -> list[ObservationTime]:
    """The times of frames with observed values and of sensor readings, in order.

    Args:
        observations: The windows.
        numbers: Windows with equal ``batch_key``.
        dt: Time between frames [time].
    """
    window = observations.windows[numbers[0]]
    found: dict[float, dict[str, int]] = {}
    for frame in range(window.num_frames):
        weights = (observations.weight(numbers, frame, name) for name in observations.fields)
        if any(weight is not None for weight in weights):
            found[float(frame + 1)] = {"frame": frame}
    if window.readings is not None:
        for number, time in enumerate((window.readings.times / dt).tolist()):
            near = next((t for t in found if abs(t - time) < _TIME_TOLERANCE), time)
            found.setdefault(near, {})["reading"] = number
    times = sorted(found)
    return [
        ObservationTime(time, (time - before) * dt, **found[time])
        for before, time in pairwise([0.0, *times])
    ]


def conditions_at(
    conditions: Conditions, instants: Sequence[ObservationTime], start: float = 0.0
) -> Conditions:
    """Conditions with time series interpolated from frames to ``start`` and the instants."""
    if not conditions.series:
        return conditions
    times = torch.tensor([start, *(instant.time for instant in instants)], dtype=torch.float64)
    series = {}
    for name, values in conditions.series.items():
        below = times.floor().long().clamp(0, values.shape[1] - 2)
        share = (times - below).reshape(1, -1, *(1,) * (values.ndim - 2))
        series[name] = values[:, below] * (1 - share) + values[:, below + 1] * share
    return Conditions(conditions.constant, series)
