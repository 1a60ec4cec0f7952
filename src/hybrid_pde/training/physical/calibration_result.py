"""Result of a calibration: parameters with uncertainties, numerics and history, in plain types."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

import numpy as np

from hybrid_pde.config.checks.calibration import MAX_UNKNOWNS
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training.physical.discretization_check import describe_shift
from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.minimization import MAX_ITERATIONS, Minimum
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.uncertainty import Uncertainty, assess


def calibration_result(
    objective: Objective,
    minimum: Minimum | None,
    loss: float,
    uncertainty: Uncertainty | None,
    shift: np.ndarray | None,
    candidates: list[dict[str, Any]],
) -> dict[str, Any]:
    """The result of :meth:`PhysicalTrainer.train`; warns of parameters that depend on the grid.

    Args:
        objective: The objective, its model at the estimate.
        minimum: The end of the minimization; ``None`` if there was none.
        loss: Loss at the estimate.
        uncertainty: Uncertainty of the parameters; ``None`` after divergence.
        shift: Change of each parameter on a finer discretization, if known.
        candidates: The discretizations that were compared.
    """
    model, vector = objective.model, objective.vector
    history = [] if minimum is None else minimum.history
    parameters = parameter_report(model, vector, uncertainty, shift)
    warn_of_shifts(parameters, model.discretization)
    return {
        "parameters": parameters,
        "undetermined_directions": undetermined_directions(vector, uncertainty),
        "status": MAX_ITERATIONS if minimum is None else minimum.status,
        "loss": loss,
        "iterations": len(history),
        "numerics": numerics_report(objective, candidates),
        "fields": {
            name: model.get_parameter(name).detach().numpy()
            for name in vector.parameters
            if vector.is_field(name)
        },
        "history": [history_row(number, *point, vector) for number, point in enumerate(history)],
    }


def assess_estimate(
    objective: Objective, unknowns: np.ndarray, loss: float, weigh_priors: bool
) -> tuple[Uncertainty | None, float]:
    """Uncertainty of the parameters and loss at the estimate.

    Values predicted by a guide contribute to the parameters that are determined, but not to the
    standard deviations: a prediction is not a measurement. Without an uncertainty if there are too
    many unknowns for a dense Jacobian.

    Args:
        objective: The objective.
        unknowns: All unknowns at the estimate.
        loss: Loss to return where none is computed.
        weigh_priors: Whether priors are part of the objective and weighted with its noise.
    """
    if len(unknowns) > MAX_UNKNOWNS:
        return None, loss
    at = objective.linearize(unknowns)
    found = _uncertainty(objective, at, weigh_priors)
    if objective.observations.has_predictions:
        measured = objective.without_predictions()
        at_measured = measured.linearize(unknowns[: len(measured.start)])
        found = replace(found, std=_uncertainty(measured, at_measured, weigh_priors).std)
    return found, at.loss


def _uncertainty(objective: Objective, at: Linearization, weigh_priors: bool) -> Uncertainty:
    jacobian, residual = at.of_parameters(len(objective.vector))
    variance = objective.noise_variance if weigh_priors else None
    return assess(jacobian, residual, objective.num_values, len(at.z), variance)


def parameter_report(
    model: PhysicalModel,
    vector: ParameterVector,
    uncertainty: Uncertainty | None,
    shift: np.ndarray | None = None,
) -> dict[str, dict[str, Any]]:
    """Every learnable parameter with value, standard deviation, initial guess, bounds and unit.

    A parameter that the data do not determine has the value ``None``. Without an uncertainty
    (after divergence) there are no standard deviations. The value of a field is its description;
    ``std`` and ``learned`` are those of its learned numbers, named in ``labels``.

    Args:
        model: The model at the estimate.
        vector: The learnable parameters.
        uncertainty: Uncertainty of the parameters.
        shift: Change of each parameter on a finer discretization.
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
        # The exact value of the model, without the rounding of the conversion from z.
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


def warn_of_shifts(parameters: Mapping[str, Any], used: Discretization) -> None:
    """Warn of every parameter that depends on the discretization."""
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
                warnings.warn(text, stacklevel=5)


def numerics_report(objective: Objective, candidates: list[dict[str, Any]]) -> dict[str, Any]:
    """The discretization of a calibration, and those it was compared with."""
    model = objective.model
    return {
        "scheme": model.discretization.scheme,
        "order": model.discretization.order,
        "refine": model.discretization.refine,
        "time_stepping": model.time_stepping_used,
        "substeps": objective.substeps_used,
        "precision": "double",
        "dt": objective.dt,
        "grid": objective.observations.grid.to_dict(),
        "candidates": candidates,
    }


def history_row(
    iteration: int, z: np.ndarray, loss: float, vector: ParameterVector
) -> dict[str, Any]:
    """One row of the history: iteration, loss and parameters (``velocity[0]`` for components)."""
    theta = vector.values(z[: len(vector)]).tolist()
    values: Mapping[str, float] = dict(zip(vector.labels, theta, strict=True))
    return {"iteration": iteration, "loss": loss, **values}


def _finite_or_none(value: float) -> float | None:
    return float(value) if isfinite(value) else None
