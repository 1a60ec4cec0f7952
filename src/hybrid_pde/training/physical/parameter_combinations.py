"""Combinations of parameters that the data do not determine, or determine together only."""

from typing import Any

import numpy as np

from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.uncertainty import Uncertainty

# With more numbers a table of their correlations says nothing.
_MOST_CORRELATED = 20


def undetermined_directions(
    vector: ParameterVector, uncertainty: Uncertainty | None
) -> list[dict[str, float]]:
    """Combinations of parameters that do not change the prediction, in physical units."""
    if uncertainty is None:
        return []
    slopes = vector.slopes(vector.read())
    return [
        {
            label: float(weight * scale)
            for label, weight, scale in zip(vector.labels, direction, slopes, strict=True)
            if abs(weight) > 1e-3
        }
        for direction in uncertainty.directions
    ]


def correlations(
    vector: ParameterVector, uncertainty: Uncertainty | None
) -> dict[str, dict[str, float]]:
    """Correlation of the errors of each two determined parameters."""
    labels = vector.labels
    if uncertainty is None or not 1 < len(labels) <= _MOST_CORRELATED:
        return {}
    found: dict[str, dict[str, float]] = {}
    for first, label in enumerate(labels):
        row = uncertainty.correlations[first]
        others = [n for n in range(first + 1, len(labels)) if np.isfinite(row[n])]
        if others:
            found[label] = {labels[n]: float(np.clip(row[n], -1, 1)) for n in others}
    return found


def least_determined(
    vector: ParameterVector, uncertainty: Uncertainty | None
) -> dict[str, Any] | None:
    """The combination of parameters whose error is largest, and how much larger it is."""
    if uncertainty is None or uncertainty.least is None or len(vector) > _MOST_CORRELATED:
        return None
    z = vector.read()
    weights = uncertainty.least * vector.slopes(z)
    sizes = np.abs(vector.values(z))
    relative = np.abs(weights) / np.where(sizes > 0, sizes, 1.0)
    weights = weights / weights[np.argmax(relative)] * max(sizes[np.argmax(relative)], 1e-300)
    shown = relative > 1e-3 * relative.max()
    return {
        "weights": {
            label: float(weight)
            for label, weight, is_shown in zip(vector.labels, weights, shown, strict=True)
            if is_shown
        },
        "condition": uncertainty.condition,
    }
