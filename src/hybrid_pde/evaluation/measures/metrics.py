"""Errors of rollouts: VRMSE, NRMSE and relative L² error.

Layout: ``S`` simulations, ``T`` lead times from the first predicted state on, ``F`` fields,
``C`` channels, then space. The initial state, lead time 0, is not part of these arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.evaluation.measures.averages import (
    Terms,
    average,
    counted_mean,
    mean_over_space,
    padded,
)
from hybrid_pde.result_warnings import warn_of_result

LABELS = {
    "synthetic": "Synthetic model",
    "physical": "Physical model",
    "persistence": "Persistence",
}
PREDICTORS = tuple(LABELS)
MEASURES = ("vrmse", "nrmse", "relative_l2")
# A smaller standard deviation relative to the root mean square is rounding of float32 (6e-8):
# the field is uniform and has no variance to normalize an error with.
UNIFORM_SPREAD = 1e-6
# ... and of a field that is stored in double precision
UNIFORM_SPREAD_OF_DOUBLE = 1e-13
# A standard deviation this small relative to that of the lead time before or after, as that of a
# wave's velocity at its turning point, would make the smallest error a large multiple.
TURNING_POINT = 0.01


def uniform_spread(values: NDArray[Any]) -> NDArray[np.float64]:
    """Standard deviation relative to the root mean square that is rounding, ``[T]``.

    Args:
        values: ``[T, …]``; frames that single precision holds exactly have its rounding.
    """
    if values.dtype != np.float64:
        return np.full(len(values), UNIFORM_SPREAD)
    with np.errstate(over="ignore"):
        is_single = (values.astype(np.float32) == values) | np.isnan(values)
    whole = is_single.reshape(len(values), -1).all(axis=1)
    return np.where(whole, UNIFORM_SPREAD, UNIFORM_SPREAD_OF_DOUBLE)


@dataclass(frozen=True)
class RolloutErrors:
    """Errors of one simulation's rollout.

    Attributes:
        simulation: Index of the simulation.
        fields: Names of the ``F`` fields.
        values: ``[T, F]`` for each measure; infinite after a divergence.
        counted: ``[T, F]`` for each measure: whether the truth allows a comparison.
        diverged_at: First lead time (from 1) with a non-finite prediction or squared error.
        missing: Number of missing values of the truth.
    """

    simulation: int
    fields: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]
    counted: Mapping[str, NDArray[np.bool_]]
    diverged_at: int | None
    missing: int = 0


def compute_metrics(
    prediction: ArrayLike, truth: ArrayLike, layouts: Sequence[FieldLayout]
) -> dict[str, Any]:
    """Compute metrics of an ensemble of rollouts, see :func:`summarize`.

    Args:
        prediction: ``[S, T, C, *space]`` with the channels in the order of ``layouts``.
        truth: The same shape.
        layouts: Fields that the channels belong to.

    Raises:
        ValueError: if the shapes differ, the channels do not fit the layouts, or the truth is
            infinite.
    """
    predicted, true = np.asarray(prediction), np.asarray(truth)
    channels = sum(layout.channels for layout in layouts)
    if predicted.shape != true.shape or true.ndim < 3 or true.shape[2] != channels:
        raise ValueError(
            f"prediction {predicted.shape} and truth {true.shape} must both be [simulations, "
            f"lead times, {channels} channels, *space]"
        )
    ends = np.cumsum([layout.channels for layout in layouts])[:-1]
    names = [layout.name for layout in layouts]
    return summarize(
        [
            rollout_errors(
                dict(zip(names, np.split(predicted[index], ends, axis=1), strict=True)),
                dict(zip(names, np.split(true[index], ends, axis=1), strict=True)),
                simulation=index,
            )
            for index in range(len(true))
        ]
    )


def rollout_errors(
    prediction: Mapping[str, ArrayLike], truth: Mapping[str, ArrayLike], simulation: int = 0
) -> RolloutErrors:
    """Errors of one rollout for every field of ``prediction`` and every lead time.

    With the error e, the truth u at one lead time, and the mean ⟨·⟩ over space::

        vrmse       = √(Σ_c ⟨e_c²⟩ / Σ_c ⟨(u_c − ⟨u_c⟩)²⟩)
        nrmse       = √(Σ_c ⟨e_c²⟩ / Σ_c ⟨u_c²⟩)
        relative_l2 = ‖e‖ / ‖u‖

    The sums run over the components c of a vector field, each with its own mean. On a uniform grid
    the last two are equal. A uniform truth (standard deviation below 1e-6 of its root mean square,
    1e-13 in double precision) is not counted in ``vrmse``, and a zero truth in none of the three.
    Neither is a lead time at which the field passes through a uniform state, or through zero: its
    scale is below 1 % of that at the lead time before or after.
    Once a prediction is not finite, the errors of all fields are infinite. Means skip points where
    the truth is missing (NaN); a lead time without any values is not counted.

    Args:
        prediction: ``[T, C, *space]`` for each field.
        truth: The same for at least these fields, NaN if missing.
        simulation: Index of the simulation, for error messages.

    Raises:
        ValueError: if shapes differ or the truth is infinite.
    """
    known = {name: np.asarray(truth[name]) for name in prediction}
    terms = [
        _field_terms(np.asarray(prediction[name]), known[name], name, simulation)
        for name in prediction
    ]
    error, variance, square = (np.stack(column, axis=1) for column in zip(*terms, strict=True))
    broken = ~np.isfinite(error).all(axis=1)
    diverged_at = int(np.argmax(broken)) + 1 if broken.any() else None
    if diverged_at is not None:
        error[diverged_at - 1 :] = np.inf
    spreads = np.stack([uniform_spread(values) for values in known.values()], axis=1)
    uniform = (variance <= spreads**2 * square) | turning_points(variance)
    zero = (square == 0) | turning_points(square)
    scales = {"vrmse": (variance, uniform), "nrmse": (square, zero), "relative_l2": (square, zero)}
    infinite = np.isinf(error)
    return RolloutErrors(
        simulation=simulation,
        fields=tuple(prediction),
        values={
            measure: np.sqrt(error / np.where(absent, 1.0, scale))
            for measure, (scale, absent) in scales.items()
        },
        # A divergence always counts, so that it cannot drop out of a mean.
        counted={measure: ~absent | infinite for measure, (_, absent) in scales.items()},
        diverged_at=diverged_at,
        missing=sum(int(np.isnan(np.asarray(truth[name])).sum()) for name in prediction),
    )


def turning_points(scale: NDArray[np.float64]) -> NDArray[np.bool_]:
    """True where the mean square is far below that of the lead time before or after.

    Args:
        scale: Mean square or variance, ``[T, …]``; NaN where the truth is missing.
    """
    least = TURNING_POINT**2 * scale
    found = np.zeros(scale.shape, dtype=bool)
    found[1:] |= scale[1:] < least[:-1]
    found[:-1] |= scale[:-1] < least[1:]
    return found


def _field_terms(
    prediction: NDArray[Any], truth: NDArray[Any], name: str, simulation: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean squared error, variance and mean square ``[T]``, summed over the components."""
    if prediction.shape != truth.shape:
        raise ValueError(
            f"simulation {simulation}, field '{name}': the prediction has the shape "
            f"{prediction.shape}, the truth {truth.shape}"
        )
    error, variance, square = (np.empty(len(truth)) for _ in range(3))
    for time, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):
        # One frame at a time in double precision, so that memory need not hold two 3D rollouts.
        frame = true.astype(np.float64)
        if np.isinf(frame).any():
            raise ValueError(
                f"simulation {simulation}, field '{name}', lead time {time + 1}: the truth is "
                "infinite"
            )
        valid = ~np.isnan(frame)
        # Overflow and NaN give a non-finite error, which is reported as divergence.
        with np.errstate(over="ignore", invalid="ignore"):
            squared = np.square(predicted.astype(np.float64) - frame)
            error[time] = mean_over_space(squared, valid).sum()
        if not np.isfinite(predicted).all():
            error[time] = np.inf
        spread = frame - mean_over_space(frame, valid, keepdims=True)
        variance[time] = mean_over_space(np.square(spread), valid).sum()
        square[time] = mean_over_space(np.square(frame), valid).sum()
    return error, variance, square


def summarize(rollouts: Sequence[RolloutErrors]) -> dict[str, Any]:
    """Summarize errors as JSON types, without NaN or infinity.

    Several rollouts of one simulation (of replicates) count like rollouts of several simulations.

    Returns:
        ``vrmse``, ``nrmse``, ``relative_l2``: mean over simulations, lead times and fields;
        ``by_lead_time``: the same for each lead time, starting with lead time 1;
        ``range_by_lead_time``: smallest and largest simulation at each lead time;
        ``by_field``: the same for each field;
        ``by_simulation``: mean over lead times and fields by measure and simulation;
        ``skipped``: for each measure, the number of terms left out because the truth is uniform or
        zero, or passes through such a state;
        ``missing``: number of missing values of the truth, excluded from all errors;
        ``diverged``: number of diverged simulations, and ``diverged_at``: the first lead time of
        each (earliest of its rollouts). A mean is ``None`` if it includes a diverged simulation
        or nothing is counted.
    """
    fields = rollouts[0].fields
    summary: dict[str, Any] = {}
    by_lead_time: dict[str, Any] = {}
    ranges: dict[str, Any] = {}
    by_field: dict[str, dict[str, Any]] = {name: {} for name in fields}
    by_simulation: dict[str, dict[str, float | None]] = {}
    undefined = []
    for measure in MEASURES:
        terms = [Terms(each.values[measure], each.counted[measure]) for each in rollouts]
        averages = average(terms, fields)
        values = padded([each.values for each in terms], 0.0)
        counted = padded([each.counted for each in terms], False)
        if not counted.any():
            undefined.append(measure)
        summary[measure] = averages.mean
        by_lead_time[measure] = averages.by_lead_time
        ranges[measure] = [_range(values[:, t], counted[:, t]) for t in range(values.shape[1])]
        for name in fields:
            by_field[name][measure] = averages.by_field[name]
        by_simulation[measure] = {
            str(number): _mean_of(number, rollouts, measure)
            for number in dict.fromkeys(each.simulation for each in rollouts)
        }
    if undefined:
        warn_of_result(
            f"{', '.join(undefined)}: undefined: at every lead time of every simulation the truth "
            "is uniform, zero or missing; list simulations with frames in trainer_params.test_sim, "
            "or judge the fit by the residuals of the calibration"
        )
    diverged: dict[str, int] = {}
    for rollout in rollouts:
        if rollout.diverged_at is not None:
            key = str(rollout.simulation)
            diverged[key] = min(rollout.diverged_at, diverged.get(key, rollout.diverged_at))
    return {
        **summary,
        "by_lead_time": by_lead_time,
        "range_by_lead_time": {
            measure: {
                "min": [low for low, _ in ranges[measure]],
                "max": [high for _, high in ranges[measure]],
            }
            for measure in MEASURES
        },
        "by_field": by_field,
        "by_simulation": by_simulation,
        "skipped": {
            measure: sum(int((~rollout.counted[measure]).sum()) for rollout in rollouts)
            for measure in MEASURES
        },
        "missing": sum(rollout.missing for rollout in rollouts),
        "diverged": len(diverged),
        "diverged_at": diverged,
    }


def _mean_of(simulation: int, rollouts: Sequence[RolloutErrors], measure: str) -> float | None:
    """Mean over all terms of a simulation; ``None`` if nothing is counted or it diverged."""
    own = [each for each in rollouts if each.simulation == simulation]
    values = np.concatenate([each.values[measure] for each in own])
    return counted_mean(values, np.concatenate([each.counted[measure] for each in own]))


def _range(
    values: NDArray[np.float64], counted: NDArray[np.bool_]
) -> tuple[float | None, float | None]:
    """Smallest and largest mean over the fields among the simulations ``[S, F]``."""
    means = [row[mask].mean() for row, mask in zip(values, counted, strict=True) if mask.any()]
    if not means:
        return None, None
    low, high = float(min(means)), float(max(means))
    return (low if np.isfinite(low) else None), (high if np.isfinite(high) else None)
