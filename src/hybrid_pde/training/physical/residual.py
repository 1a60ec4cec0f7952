"""Weighted difference between the states of a rollout and the observations at one time.

Layout of native tensors: ``G`` states of each window, ``B`` windows, ``C`` channels, ``X Y Z``
space.
"""

from collections.abc import Sequence

import torch

from hybrid_pde.training.physical.observation_times import ObservationTime
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.sensor_readings import Readings, read_states


def residual_at(
    observations: Observations,
    numbers: Sequence[int],
    instant: ObservationTime,
    states: dict[str, torch.Tensor],
) -> torch.Tensor:
    """Predicted minus observed values, ``[G, B, values]``.

    Args:
        observations: The windows.
        numbers: Windows of the batch.
        instant: The time of comparison.
        states: Predicted fields ``[G, B, C, *space]``.
    """
    return predicted_values(observations, numbers, instant, states) - observed_values(
        observations, numbers, instant
    )


def predicted_values(
    observations: Observations,
    numbers: Sequence[int],
    instant: ObservationTime,
    states: dict[str, torch.Tensor],
) -> torch.Tensor:
    """The observed part of states ``[G, B, C, *space]``, weighted, ``[G, B, values]``."""
    parts = []
    for name in observations.fields:
        if instant.frame is not None:
            weight = observations.weight(numbers, instant.frame, name)
            if weight is not None:
                parts.append((states[name] * weight).flatten(2))
        if instant.reading is not None:
            readings = _readings(observations, numbers)
            present = torch.stack([each.present[name][instant.reading] for each in readings])
            read = read_states(readings, instant.reading, states[name])
            parts.append((read * present / observations.scale[name]).flatten(2))
    return joined(parts, 2)


def observed_values(
    observations: Observations, numbers: Sequence[int], instant: ObservationTime
) -> torch.Tensor:
    """The observations with the same weights, ``[B, values]``."""
    parts = []
    for name in observations.fields:
        if instant.frame is not None:
            weight = observations.weight(numbers, instant.frame, name)
            if weight is not None:
                target = observations.target(numbers, instant.frame, name)
                parts.append((target * weight).flatten(1))
        if instant.reading is not None:
            readings = _readings(observations, numbers)
            values = torch.stack([each.values[name][instant.reading] for each in readings])
            parts.append((values / observations.scale[name]).flatten(1))
    return joined(parts, 1)


def joined(parts: Sequence[torch.Tensor], axis: int) -> torch.Tensor:
    """Tensors joined along an axis; a single one as it is, without a copy."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=axis)


def _readings(observations: Observations, numbers: Sequence[int]) -> list[Readings]:
    found = []
    for number in numbers:
        readings = observations.windows[number].readings
        assert readings is not None, "windows of one batch have the same reading times"
        found.append(readings)
    return found
