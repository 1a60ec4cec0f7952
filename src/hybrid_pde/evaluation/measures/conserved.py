"""Quantities conserved by the truth, and the drift of predictions from them.

Layout: ``T`` lead times from the first predicted state on, ``C`` channels, then space.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid_pde.domain.grid import Grid
from hybrid_pde.evaluation.measures.averages import Terms, average

QUANTITIES = ("integral", "mean_square")
MAX_DRIFT = 1e-3  # largest relative drift of a conserved quantity in the truth

Drifts = dict[str, dict[str, NDArray[np.float64]]]


@dataclass(frozen=True)
class Drift:
    """Drift of one rollout from its initial state, ``[T]`` for each field and quantity.

    Attributes:
        prediction: Infinite after a divergence.
        truth: NaN if values of the frame or of the initial state are missing.
    """

    prediction: Drifts
    truth: Drifts


def drift(prediction: Mapping[str, ArrayLike], truth: Mapping[str, ArrayLike], grid: Grid) -> Drift:
    """Drift of the integral and the mean square of every field.

    Relative to the initial state u(0), the drifts at time t are::

        integral     |⟨u(t)⟩ − ⟨u(0)⟩| / √⟨|u(0)|²⟩    (length of the vector of a vector field)
        mean_square  |⟨|u(t)|²⟩ − ⟨|u(0)|²⟩| / ⟨|u(0)|²⟩

    where ⟨ ⟩ is the mean over the domain, with half weight for points on a wall (trapezoidal rule).
    The first is mass or momentum per volume, the second twice the energy.

    Args:
        prediction: ``[T, C, *space]`` for each field.
        truth: ``[T + 1, C, *space]`` for at least these fields, initial state first.
        grid: Grid of the values.
    """
    weights = _weights(grid)
    found: tuple[Drifts, Drifts] = ({}, {})
    for name in prediction:
        true = np.asarray(truth[name])
        for drifts, values in zip(found, (np.asarray(prediction[name]), true[1:]), strict=True):
            drifts[name] = _drifts(values, true[0], weights)
        for values in found[0][name].values():
            lost = np.flatnonzero(~np.isfinite(values))
            if len(lost) and np.isfinite(true[0]).all():
                values[lost[0] :] = np.inf
    return Drift(*found)


def conserved_quantities(rollouts: Sequence[Drift]) -> dict[str, dict[str, float]]:
    """Quantities of each field that drift by less than 1e-3 in every truth, with the drift."""
    kept: dict[str, dict[str, float]] = {}
    for name in rollouts[0].truth:
        for quantity in QUANTITIES:
            series = [rollout.truth[name][quantity] for rollout in rollouts]
            known = [values[~np.isnan(values)] for values in series]
            if all(len(values) for values in known):
                largest = float(max(values.max() for values in known))
                if largest <= MAX_DRIFT:
                    kept.setdefault(name, {})[quantity] = largest
    return kept


def summarize_drift(
    rollouts: Sequence[Drift], kept: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """Drift of the prediction for each quantity conserved by the truth.

    Returns:
        ``conserved: {<field>: {<quantity>: {drift, by_lead_time}}}``: mean over rollouts at each
        lead time, and its maximum.
    """
    found: dict[str, Any] = {}
    for name in rollouts[0].prediction:
        for quantity in kept.get(name, {}):
            series = [rollout.prediction[name][quantity][:, None] for rollout in rollouts]
            terms = [Terms(values, np.ones(values.shape, dtype=bool)) for values in series]
            by_time = average(terms, [name]).by_lead_time
            finite = [value for value in by_time if value is not None]
            found.setdefault(name, {})[quantity] = {
                "drift": max(finite) if len(finite) == len(by_time) else None,
                "by_lead_time": by_time,
            }
    return {"conserved": found}


def _weights(grid: Grid) -> NDArray[np.float64]:
    """Weight ``[*space]`` of each point in a mean over the domain."""
    weights = np.ones(())
    for points, nodes in zip(grid.shape, grid.nodes_on_boundary, strict=True):
        line = np.ones(points)
        if nodes:
            line[[0, -1]] = 0.5
        weights = np.multiply.outer(weights, line / line.sum())
    return weights


def _drifts(
    values: NDArray[Any], start: NDArray[Any], weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    mean, square = _quantities(start, weights)
    scale = square if square > 0 else 1.0
    found = {quantity: np.empty(len(values)) for quantity in QUANTITIES}
    with np.errstate(over="ignore", invalid="ignore"):
        for time, frame in enumerate(values):
            means, squares = _quantities(frame, weights)
            found["integral"][time] = np.linalg.norm(means - mean) / np.sqrt(scale)
            found["mean_square"][time] = abs(squares - square) / scale
    return found


def _quantities(
    frame: NDArray[Any], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Mean of each channel, and mean square over all channels."""
    values = frame.astype(np.float64)
    axes = tuple(range(1, values.ndim))
    return (values * weights).sum(axis=axes), float((np.square(values) * weights).sum())
