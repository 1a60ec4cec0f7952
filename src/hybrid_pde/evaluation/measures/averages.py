"""Means over space that skip missing values, and means over rollouts.

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
        values: ``[T, F]``; infinite after a divergence.
        counted: ``[T, F]``: whether the value enters means.
    """

    values: NDArray[np.float64]
    counted: NDArray[np.bool_]


@dataclass(frozen=True)
class Averages:
    """Means of a measure; ``None`` if nothing is counted or a term is infinite.

    Attributes:
        mean: Over rollouts, lead times and fields.
        by_lead_time: For each lead time, starting with lead time 1.
        by_field: For each field.
    """

    mean: float | None
    by_lead_time: list[float | None]
    by_field: dict[str, float | None]


def average(terms: Sequence[Terms], fields: Sequence[str]) -> Averages:
    """Unweighted means over the terms of all rollouts, which may differ in length."""
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
    """Stack arrays ``[T, F]`` of possibly different lengths to ``[S, T, F]``."""
    steps = max(len(array) for array in arrays)
    stacked = np.full((len(arrays), steps, arrays[0].shape[1]), fill, dtype=arrays[0].dtype)
    for index, array in enumerate(arrays):
        stacked[index, : len(array)] = array
    return stacked


def counted_mean(values: NDArray[np.float64], counted: NDArray[np.bool_]) -> float | None:
    """Mean of the counted values; ``None`` if there are none or one is infinite."""
    mean = values[counted].mean() if counted.any() else np.inf
    return float(mean) if np.isfinite(mean) else None


def mean_over_space(
    values: NDArray[np.float64], valid: NDArray[np.bool_], keepdims: bool = False
) -> NDArray[np.float64]:
    """Mean ``[C]`` of ``[C, *space]`` over the valid points; zero if there are none."""
    axes = tuple(range(1, values.ndim))
    if valid.all():
        return np.asarray(values.mean(axis=axes, keepdims=keepdims))
    count = valid.sum(axis=axes, keepdims=keepdims)
    total = values.sum(axis=axes, keepdims=keepdims, where=valid)
    return np.asarray(total / np.maximum(count, 1))
