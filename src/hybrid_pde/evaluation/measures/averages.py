"""Means over space of what is there, and over rollouts of what counts.

Layout: ``S`` rollouts, ``T`` lead times, ``F`` fields, ``C`` channels, then space.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Terms:
    """A measure of one rollout.

    Attributes:
        values: ``[T, F]``; infinite where a prediction is lost.
        counted: ``[T, F]``: whether there is something to measure.
    """

    values: NDArray[np.float64]
    counted: NDArray[np.bool_]


@dataclass(frozen=True)
class Averages:
    """Means of a measure; ``None`` where nothing counts, or one of the terms is infinite.

    Attributes:
        mean: Over rollouts, lead times and fields.
        by_lead_time: For each lead time, the first being lead time 1.
        by_field: For each field.
    """

    mean: float | None
    by_lead_time: list[float | None]
    by_field: dict[str, float | None]


def average(terms: Sequence[Terms], fields: Sequence[str]) -> Averages:
    """Plain means over the terms of all rollouts; shorter ones count as far as they go."""
    values = padded([each.values for each in terms], 0.0)
    counted = padded([each.counted for each in terms], False)
    return Averages(
        mean=counted_mean(values, counted),
        by_lead_time=[counted_mean(values[:, t], counted[:, t]) for t in range(values.shape[1])],
        by_field={
            name: counted_mean(values[..., position], counted[..., position])
            for position, name in enumerate(fields)
        },
    )


def padded(arrays: Sequence[NDArray[Any]], fill: float | bool) -> NDArray[Any]:
    """``[S, T, F]`` from arrays ``[T, F]`` of possibly different lengths."""
    steps = max(len(array) for array in arrays)
    stacked = np.full((len(arrays), steps, arrays[0].shape[1]), fill, dtype=arrays[0].dtype)
    for index, array in enumerate(arrays):
        stacked[index, : len(array)] = array
    return stacked


def counted_mean(values: NDArray[np.float64], counted: NDArray[np.bool_]) -> float | None:
    """Mean of what is counted; None if that is nothing, or includes a divergence."""
    mean = values[counted].mean() if counted.any() else np.inf
    return float(mean) if np.isfinite(mean) else None


def mean_over_space(
    values: NDArray[np.float64], there: NDArray[np.bool_], keepdims: bool = False
) -> NDArray[np.float64]:
    """Mean ``[C]`` of ``[C, *space]`` over the places that are there; zero where there are none."""
    axes = tuple(range(1, values.ndim))
    if there.all():
        return np.asarray(values.mean(axis=axes, keepdims=keepdims))
    count = there.sum(axis=axes, keepdims=keepdims)
    total = values.sum(axis=axes, keepdims=keepdims, where=there)
    return np.asarray(total / np.maximum(count, 1))
