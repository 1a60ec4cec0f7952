"""What a calibration reports, in plain types."""

import warnings
from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training.physical.discretization_check import describe_shift
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.uncertainty import Uncertainty


def parameter_report(
    model: PhysicalModel,
    vector: ParameterVector,
    uncertainty: Uncertainty | None,
    shift: np.ndarray | None = None,
) -> dict[str, dict[str, Any]]:
    """Every learnable parameter with value, standard deviation, guess, bounds and unit.

    A parameter that the data do not determine has the value ``None``. Without an uncertainty
    (after divergence) the values are given without a standard deviation. The value of a field is
    what describes it, its bounds and deviations are those of the learned numbers, named in
    ``labels``, whose values are ``learned``.

    Args:
        model: The model at the estimate.
        vector: The learnable parameters.
        uncertainty: Of them.
        shift: Change of each by a finer discretization.
    """
    z = vector.read()
    start, slopes = vector.values(vector.start), vector.slopes(z)
    report: dict[str, dict[str, Any]] = {}
    for name in vector.parameters:
        owned = vector.owned(name)
        determined = uncertainty is None or bool(uncertainty.determined[owned].all())
        std = None
        if uncertainty is not None and np.isfinite(uncertainty.std[owned]).all():
            std = vector.by_name(uncertainty.std * slopes, name)
        is_field = vector.is_field(name)
        # As the model holds it, to the last digit.
        held = model.get_parameter(name).detach().tolist()
        value = vector.describe(z, name) if is_field else held
        first = vector.entries[owned[0]]
        report[name] = {
            "value": value if determined else None,
            "std": std,
            "initial_guess": vector.by_name(start, name),
            "bounds": [_finite_or_none(first.lower), _finite_or_none(first.upper)],
            "unit": model.spec.parameters[name].unit,
            "determined": determined,
            "discretization_error": None if shift is None else vector.by_name(shift, name),
        }
        if is_field:
            del report[name]["bounds"]
            report[name]["labels"] = [vector.labels[entry] for entry in owned]
            report[name]["learned"] = vector.by_name(vector.values(z), name)
    return report


def undetermined_directions(
    vector: ParameterVector, uncertainty: Uncertainty | None
) -> list[dict[str, float]]:
    """Combinations of parameters that leave the prediction as it is, in the parameters' units."""
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


def warn_of_shifts(parameters: Mapping[str, Any], used: Discretization) -> None:
    """Warn of every parameter that depends on the discretization, with the way out."""
    for name, parameter in parameters.items():
        shift, value, std = (parameter[k] for k in ("discretization_error", "value", "std"))
        if shift is None or value is None or isinstance(value, dict):
            continue
        each = zip(*(np.atleast_1d(np.array(v, dtype=float)) for v in (value, shift)), strict=True)
        stds = np.atleast_1d(np.array(np.nan if std is None else std, dtype=float))
        for position, (at, by) in enumerate(each):
            spread = float(stds[min(position, len(stds) - 1)])
            text = describe_shift(name, float(at), float(by), spread, used)
            if text is not None:
                warnings.warn(text, stacklevel=4)


def numerics_report(
    model: PhysicalModel,
    observations: Observations,
    dt: float,
    substeps: int,
    candidates: list[dict[str, Any]],
) -> dict[str, Any]:
    """The discretization that was used, and those it was compared with."""
    return {
        "scheme": model.discretization.scheme,
        "order": model.discretization.order,
        "refine": model.discretization.refine,
        "time_stepping": model.time_stepping_used,
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
    theta = vector.values(z[: len(vector)]).tolist()
    values: Mapping[str, float] = dict(zip(vector.labels, theta, strict=True))
    return {"iteration": iteration, "loss": loss, **values}


def _finite_or_none(value: float) -> float | None:
    return float(value) if isfinite(value) else None
