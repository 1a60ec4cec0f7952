"""Spatial correlation of prediction and truth, and the correlation time.

Layout: ``T`` lead times from the first predicted state on, ``F`` fields, ``C`` channels, then
space.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid_pde.evaluation.measures.averages import Terms, average, mean_over_space
from hybrid_pde.evaluation.measures.metrics import uniform_spread

# Lippe et al. (2023), PDE-Refiner, and APEBench use 0.8; Kochkov et al. (2021), PNAS 118, use 0.95.
THRESHOLD = 0.8


@dataclass(frozen=True)
class Correlation:
    """Correlation of one rollout.

    Attributes:
        terms: ``[T, F]``.
        times: For each field, the time at which it falls below the threshold, or the length of the
            rollout if it does not [time].
        capped: For each field, whether it stays above the threshold.
        counted: For each field, whether any lead time is counted.
    """

    terms: Terms
    times: NDArray[np.float64]
    capped: NDArray[np.bool_]
    counted: NDArray[np.bool_]


def correlation(
    prediction: Mapping[str, ArrayLike], truth: Mapping[str, ArrayLike], dt: float
) -> Correlation:
    """Pearson's correlation over space for every field of ``prediction`` and every lead time.

    With u' = u − ⟨u⟩ of the truth and p' = p − ⟨p⟩ of the prediction, component by component::

        ρ = Σ_c ⟨u'_c p'_c⟩ / √(Σ_c ⟨u'_c²⟩ · Σ_c ⟨p'_c²⟩)

    over the points where the truth is not missing. A uniform truth is not counted; a prediction
    that is uniform, or no longer finite, has ρ = 0. The correlation time is the first time at which
    the linear interpolation through the initial state (ρ = 1) and the lead times falls below 0.8.

    Args:
        prediction: ``[T, C, *space]`` for each field.
        truth: The same for at least these fields, NaN if missing.
        dt: Time between frames [time].
    """
    fields = [
        _field_correlation(np.asarray(prediction[f]), np.asarray(truth[f])) for f in prediction
    ]
    values, counted = (np.stack(column, axis=1) for column in zip(*fields, strict=True))
    ends = [
        _correlation_time(values[:, position], counted[:, position], dt)
        for position in range(len(fields))
    ]
    return Correlation(
        Terms(values, counted),
        times=np.array([time for time, _ in ends]),
        capped=np.array([capped for _, capped in ends]),
        counted=np.asarray(counted.any(axis=0)),
    )


def summarize_correlation(rollouts: Sequence[Correlation], fields: Sequence[str]) -> dict[str, Any]:
    """Mean correlation time, share of rollouts that stay correlated, and correlation curve."""
    averages = average([rollout.terms for rollout in rollouts], fields)
    times, capped, counted = (
        np.stack([getattr(rollout, name) for rollout in rollouts])
        for name in ("times", "capped", "counted")
    )

    def correlation_times(chosen: Any) -> dict[str, float | None]:
        among = counted[:, chosen]
        if not among.any():
            return {"correlation_time": None, "correlation_time_capped": None}
        return {
            "correlation_time": float(times[:, chosen][among].mean()),
            "correlation_time_capped": float(capped[:, chosen][among].mean()),
        }

    return {
        **correlation_times(slice(None)),
        "by_lead_time": {"correlation": averages.by_lead_time},
        "by_field": {
            name: {"correlation": averages.by_field[name], **correlation_times(position)}
            for position, name in enumerate(fields)
        },
    }


def _field_correlation(
    prediction: NDArray[Any], truth: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, counted = np.zeros(len(truth)), np.ones(len(truth), dtype=bool)
    least = uniform_spread(truth)
    for time, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):
        if not np.isfinite(predicted).all():
            break
        frame, guess = true.astype(np.float64), predicted.astype(np.float64)
        guess /= max(1.0, float(np.abs(guess).max()))  # avoids overflow of squares
        valid = ~np.isnan(frame)
        spread, other = (
            each - mean_over_space(np.where(valid, each, 0.0), valid, keepdims=True)
            for each in (frame, guess)
        )
        variance = mean_over_space(np.square(spread), valid).sum()
        square = mean_over_space(np.square(frame), valid).sum()
        counted[time] = variance > least[time] ** 2 * square
        spreads = variance * mean_over_space(np.square(other), valid).sum()
        if counted[time] and spreads > 0:
            together = mean_over_space(spread * other, valid).sum()
            values[time] = np.clip(together / np.sqrt(spreads), -1.0, 1.0)
    return values, counted


def _correlation_time(
    values: NDArray[np.float64], counted: NDArray[np.bool_], dt: float
) -> tuple[float, bool]:
    """Time of the first crossing of the threshold, or the end; and whether it is the end."""
    steps = np.concatenate([[0], 1 + np.flatnonzero(counted)])
    curve = np.concatenate([[1.0], values[counted]])
    below = np.flatnonzero(curve < THRESHOLD)
    if not len(below):
        return dt * len(values), True
    after = below[0]
    share = (curve[after - 1] - THRESHOLD) / (curve[after - 1] - curve[after])
    return float(dt * (steps[after - 1] + share * (steps[after] - steps[after - 1]))), False
