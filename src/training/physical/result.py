"""What a calibration reports, in plain types."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from src.models.physical.physical_model import PhysicalModel
from src.training.physical.observations import Observations
from src.training.physical.parameter_vector import ParameterVector
from src.training.physical.uncertainty import Uncertainty


def parameter_report(
    model: PhysicalModel, vector: ParameterVector, uncertainty: Uncertainty | None
) -> dict[str, dict[str, Any]]:
    """Every learnable parameter with value, standard deviation, guess, bounds and unit.

    A parameter that the data do not determine has the value ``None``. Without an uncertainty
    (after divergence) the values are given without a standard deviation.
    """
    values = vector.read() * vector.scale
    report = {}
    for name in vector.parameters:
        owned = [entry for entry, owner in enumerate(vector.names) if owner == name]
        determined = uncertainty is None or bool(uncertainty.determined[owned].all())
        std = None
        if uncertainty is not None and np.isfinite(uncertainty.std[owned]).all():
            std = vector.by_name(uncertainty.std * vector.scale, name)
        report[name] = {
            "value": vector.by_name(values, name) if determined else None,
            "std": std,
            "initial_guess": vector.by_name(vector.start * vector.scale, name),
            "bounds": [
                _finite_or_none(bound[owned[0]] * vector.scale[owned[0]])
                for bound in (vector.lower, vector.upper)
            ],
            "unit": model.spec.parameters[name].unit,
            "determined": determined,
            "discretization_error": None,
        }
    return report


def undetermined_directions(
    vector: ParameterVector, uncertainty: Uncertainty | None
) -> list[dict[str, float]]:
    """Combinations of parameters that leave the prediction as it is, in the parameters' units."""
    if uncertainty is None:
        return []
    return [
        {
            label: float(weight * scale)
            for label, weight, scale in zip(vector.labels, direction, vector.scale, strict=True)
            if abs(weight) > 1e-3
        }
        for direction in uncertainty.directions
    ]


def numerics_report(
    model: PhysicalModel,
    observations: Observations,
    dt: float,
    substeps: int,
    candidates: list[dict[str, Any]],
) -> dict[str, Any]:
    """The discretization that was used, and those it was compared with."""
    assert observations.grid is not None
    return {
        "scheme": model.discretization.scheme,
        "order": model.discretization.order,
        "time_stepping": "runge-kutta-4",
        "substeps": substeps,
        "precision": "double",
        "dt": dt,
        "grid": observations.grid.to_dict(),
        "candidates": candidates,
    }


def history_row(
    iteration: int, z: np.ndarray, loss: float, vector: ParameterVector
) -> dict[str, Any]:
    """One evaluation: its number, loss and parameters, ``velocity[0]`` for a component."""
    values: Mapping[str, float] = dict(zip(vector.labels, (z * vector.scale).tolist(), strict=True))
    return {"iteration": iteration, "loss": loss, **values}


def _finite_or_none(value: float) -> float | None:
    return float(value) if isfinite(value) else None
