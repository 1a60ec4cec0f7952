"""Residuals and derivatives of the frames of a few windows, as arrays.

Layout: ``B`` windows, ``T`` frames, ``C`` channels, ``X Y Z`` space; ``p`` parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from hybrid_pde.training.physical.observation_times import ObservationTime, observation_times
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.residual import joined
from hybrid_pde.training.physical.residuals import Residuals

# Largest number of values that are kept (16 MB).
MAX_VALUES = 2**21
# Number of values, and of windows, from which more of them do not change a statistic.
_ENOUGH_VALUES, _ENOUGH_WINDOWS = 2**19, 4
# More parameters have no derivatives as arrays.
MOST_PARAMETERS = 16
# Fewest frames of a window that is cut to this size.
_FEWEST_FRAMES = 3

# States of a batch by field.
States = dict[str, torch.Tensor]
# Residuals and mask of all windows at one time, and for frames the predicted states.
Instant = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Sensitivities:
    """Residuals of the frames of one window and their derivatives.

    Attributes:
        residuals: Weighted residuals ``[T, C, *space]``.
        slopes: Their derivatives with respect to z, ``[p, T, C, *space]``.
    """

    residuals: Residuals
    slopes: np.ndarray


@dataclass(frozen=True)
class KeptWindows:
    """The windows of which arrays are kept.

    Attributes:
        observations: These windows.
        numbers: Number of each among those that they were chosen from.
    """

    observations: Observations
    numbers: Sequence[int]


def kept_windows(whole: Observations, columns: int = 1) -> KeptWindows:
    """Evenly chosen windows, cut to their first frames if one alone is too large.

    All of them, if they are not more than enough, have no more than ``MAX_VALUES`` values, and none
    is predicted. Those for more columns are some of those for one.

    Args:
        whole: The windows to choose from.
        columns: Number of arrays of the size of the windows that are kept in all.
    """
    kept = _chosen(whole, MAX_VALUES)
    if columns == 1:
        return kept
    part = _chosen(kept.observations, MAX_VALUES // columns)
    return KeptWindows(part.observations, [kept.numbers[number] for number in part.numbers])


def _chosen(whole: Observations, max_values: int) -> KeptWindows:
    frames, count = whole.windows[0].num_frames, len(whole.windows)
    size = whole.state_size * frames
    enough = max(_ENOUGH_WINDOWS, _ENOUGH_VALUES // size)
    kept = max(1, min(max_values // size, enough))
    everything = KeptWindows(whole, range(count))
    if kept >= count and not any(window.is_predicted for window in whole.windows):
        return everything
    shorter = max(_FEWEST_FRAMES, max_values // whole.state_size)
    kept = min(kept, count)
    part = whole.subset(kept, min(frames, shorter))
    return everything if part is whole else KeptWindows(part, whole.evenly_chosen(kept))


@dataclass(frozen=True)
class EndArrays:
    """Arrays where a minimization ended, its last step without another linearization.

    Attributes:
        windows: Residuals at the end, with the derivatives before the last step.
        residuals: Residuals of all :func:`kept_windows` at the end, if they are known.
    """

    windows: Sequence[Sensitivities]
    residuals: Sequence[Residuals] | None


class FrameArrays:
    """Residuals with derivatives of a few windows, collected from a rollout of all.

    Args:
        whole: All windows, with known initial states.
        num_parameters: Number of derivatives p.
        dt: Time between frames [time].
    """

    def __init__(self, whole: Observations, num_parameters: int, dt: float) -> None:
        kept = kept_windows(whole, num_parameters + 1)
        self._observations = kept.observations
        self._place = {number: place for place, number in enumerate(kept.numbers)}
        self._frames = {
            place: frozenset(
                each.frame for each in observation_times(kept.observations, places, dt)
            )
            for places in kept.observations.chunks()
            for place in places
        }
        self._parts: list[_Part] = []
        self._current: list[_Part] = []

    def begin(self, numbers: Sequence[int]) -> None:
        """Begin with the rollout of a batch of windows."""
        rows: dict[frozenset[int | None], list[int]] = {}  # by the frames that are kept
        for row, number in enumerate(numbers):
            if number in self._place:
                rows.setdefault(self._frames[self._place[number]], []).append(row)
        self._current = [
            _Part(self._observations, [self._place[numbers[row]] for row in own], own, frames)
            for frames, own in rows.items()
        ]
        self._parts += self._current

    def add(self, instant: ObservationTime, values: States, slopes: States) -> None:
        """Add states ``[1, B, C, *space]`` and derivatives ``[p, B, …]`` of the batch at a time."""
        for part in self._current:
            part.add(instant, values, slopes)

    @cached_property
    def windows(self) -> Sequence[Sensitivities]:
        """The kept windows; none if nothing but sensor readings is observed."""
        found = {n: each for part in self._parts for n, each in part.windows()}
        self._parts, self._current = [], []
        return [found[n] for numbers in self._observations.chunks() for n in numbers if n in found]


class _Part:
    """Arrays of the windows of a batch."""

    def __init__(
        self,
        observations: Observations,
        numbers: Sequence[int],
        rows: Sequence[int],
        frames: frozenset[int | None],
    ) -> None:
        self._observations, self._numbers, self._frames = observations, numbers, frames
        self._rows = torch.tensor(rows)
        self._instants: list[Instant] = []
        self._slopes: list[torch.Tensor] = []

    def add(self, instant: ObservationTime, values: States, slopes: States) -> None:
        if instant.frame is None or instant.frame not in self._frames:
            return
        state = {name: value[0].index_select(0, self._rows) for name, value in values.items()}
        self._instants.append(at_frame(self._observations, self._numbers, instant.frame, state))
        weighted = [
            slopes[name].index_select(1, self._rows)
            * _weight(self._observations, self._numbers, instant.frame, name)
            for name in self._observations.fields
        ]
        self._slopes.append(joined(weighted, 2))

    def windows(self) -> list[tuple[int, Sensitivities]]:
        if not self._instants:
            return []
        slopes = torch.stack(self._slopes, dim=2).numpy()  # [p, B, T, C, *space]
        parts = by_window(self._observations, self._numbers, self._instants)
        return [
            (number, Sensitivities(parts[entry], slopes[:, entry]))
            for entry, number in enumerate(self._numbers)
        ]


def at_frame(
    observations: Observations, numbers: Sequence[int], frame: int, state: States
) -> Instant:
    """Residuals ``[B, C, *space]`` of all fields at a frame, which are observed, and states."""
    values, masks = [], []
    for name in observations.fields:
        weight = _weight(observations, numbers, frame, name)
        residual = (state[name] - observations.target(numbers, frame, name)) * weight
        values.append(residual)
        masks.append((weight > 0).expand_as(residual))
    states = [
        state[name].expand_as(each) for name, each in zip(observations.fields, values, strict=True)
    ]
    # The states are copied: a rollout may use their memory again.
    return joined(values, 1), joined(masks, 1), torch.cat(states, dim=1)


def by_window(
    observations: Observations, numbers: Sequence[int], instants: Sequence[Instant]
) -> list[Residuals]:
    """Residuals of each window of a batch, from those at each time."""
    values, masks, *states = (
        torch.stack(each, dim=1).numpy() for each in zip(*instants, strict=True)
    )
    return [
        Residuals(
            values[entry],
            None if masks[entry].all() else masks[entry],
            observations.windows[number].simulation,
            states[0][entry] if states else None,
        )
        for entry, number in enumerate(numbers)
    ]


def _weight(
    observations: Observations, numbers: Sequence[int], frame: int, name: str
) -> torch.Tensor:
    weight = observations.weight(numbers, frame, name)
    return torch.zeros(1, dtype=torch.float64) if weight is None else weight
