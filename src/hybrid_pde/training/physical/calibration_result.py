"""Result of a calibration: parameters with uncertainties, numerics and history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from typing import Any

import numpy as np

from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.physical.aliased_speeds import warn_of_aliased_speeds
from hybrid_pde.training.physical.calibration_warnings import (
    warn_of_other_schemes,
    warn_of_parameters,
    warn_of_rivals,
    warn_of_shifts,
)
from hybrid_pde.training.physical.discretization_check import Refinement
from hybrid_pde.training.physical.error_budget import ErrorBudget, budget_report, error_budget
from hybrid_pde.training.physical.fit_quality import FitQuality, assess_fit, fit_warnings
from hybrid_pde.training.physical.initial_state_notice import first_frame_notice
from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.minimum import DIVERGED, MAX_ITERATIONS, Minimum
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.parameter_combinations import (
    correlations,
    least_determined,
    undetermined_directions,
)
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.scheme_selection import SchemeSelection
from hybrid_pde.training.physical.uncertainty import Uncertainty, assess


@dataclass(frozen=True)
class Assessment:
    """Loss, uncertainty and quality of the fit at the estimate; without the latter if it diverged.

    Attributes:
        loss: The loss.
        uncertainty: Uncertainty of the parameters; ``None`` with too many parameters.
        fit: Statistics of the residuals.
        measured: The misfit to what was measured.
        unknowns: All its unknowns at the estimate.
    """

    loss: float
    uncertainty: Uncertainty | None = None
    fit: FitQuality | None = None
    measured: Objective | None = None
    unknowns: np.ndarray | None = None

    def budget(
        self, refinement: Refinement | None, selection: SchemeSelection
    ) -> ErrorBudget | None:
        """Uncertainty by source; ``None`` where the calibration diverged or is too large.

        Args:
            refinement: The estimate on a finer discretization, if there is one.
            selection: The comparison of discretizations.
        """
        if self.uncertainty is None or self.fit is None:
            return None
        assert self.measured is not None and self.unknowns is not None
        std = self.uncertainty.std
        return error_budget(self.measured, self.unknowns, std, self.fit, refinement, selection)


@dataclass(frozen=True)
class CalibrationResult:
    """Result of a calibration.

    Attributes:
        parameters: value, std, initial_guess, bounds, unit, determined, discretization_error,
            uncertainty, interval_90 and uncertainty_parts by name of the parameter.
        undetermined_directions: Combinations of parameters that do not change the prediction.
        correlations: Correlation of the errors of each two parameters; empty with one parameter,
            or more than 20.
        least_determined: ``weights`` of the combination of parameters that is determined least, in
            units of each parameter, the largest relative to its size 1; and ``condition``, how
            many times larger its error is than that of the best one.
        status: ``converged``, ``max_iterations``, ``stalled`` or ``diverged``.
        loss: The loss at the estimate.
        iterations: Number of evaluated points.
        numerics: The discretization, and those it was compared with.
        fields: Values of learned fields on the grid.
        history: Loss and parameters of every evaluated point.
        warnings: Messages about the result.
        train_losses: Loss of each epoch.
        residuals: Result of :func:`~hybrid_pde.training.physical.residual_maps.residual_maps` at
            the estimate.
        profiles: Profile likelihood of each number, see :mod:`profile_likelihood`.
    """

    parameters: Mapping[str, dict[str, Any]]
    undetermined_directions: Sequence[Mapping[str, float]]
    correlations: Mapping[str, Mapping[str, float]]
    least_determined: Mapping[str, Any] | None
    status: str
    loss: float
    iterations: int
    numerics: Mapping[str, Any]
    fields: Mapping[str, np.ndarray]
    history: Sequence[Mapping[str, Any]]
    warnings: Sequence[str] = ()
    train_losses: Sequence[float] = ()
    residuals: Mapping[str, Any] = field(default_factory=dict)
    profiles: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def to_mapping(self) -> dict[str, Any]:
        """The result as users and files get it, with ``final_loss`` and ``num_epochs``."""
        return {
            **{each.name: getattr(self, each.name) for each in fields(self)},
            "final_loss": self.train_losses[-1] if self.train_losses else None,
            "num_epochs": len(self.train_losses),
        }


def calibration_result(
    objective: Objective,
    minimum: Minimum | None,
    found: Assessment,
    refinement: Refinement | None,
    selection: SchemeSelection,
    can_estimate_states: bool = True,
) -> CalibrationResult:
    """The result of a calibration; warns of whatever makes it doubtful.

    Args:
        objective: The objective, its model at the estimate.
        minimum: The end of the minimization; ``None`` if there was none.
        found: Loss, uncertainty and quality of the fit.
        refinement: The estimate on a finer discretization, if there is one.
        selection: The comparison of discretizations.
        can_estimate_states: Whether the experiment may set ``initial_state: estimate``.
    """
    shift = None if refinement is None else refinement.shift
    model, vector = objective.model, objective.vector
    history = [] if minimum is None else minimum.history
    budget = found.budget(refinement, selection)
    parameters = parameter_report(model, vector, found.uncertainty, shift, budget)
    status = MAX_ITERATIONS if minimum is None else minimum.status
    warn_of_parameters(parameters, status)
    warn_of_shifts(parameters, model.discretization)
    warn_of_rivals(selection, vector, found.uncertainty, model.discretization, budget)
    warn_of_other_schemes(budget, vector, model.discretization)
    if found.measured is not None and found.unknowns is not None:
        warn_of_aliased_speeds(found.measured, found.unknowns, found.loss)
    residuals: Mapping[str, Any] = {} if found.fit is None else found.fit.maps
    if found.fit is not None and status != DIVERGED:
        notice = None
        if budget is not None and found.measured is not None and found.unknowns is not None:
            notice = first_frame_notice(found.measured, found.unknowns, budget, can_estimate_states)
        is_explained = notice is not None
        for message in fit_warnings(
            found.fit, vector, parameters, found.loss, status, is_explained
        ):
            warn_of_result(message)
        if notice is not None:
            warn_of_result(notice)
            residuals = {**residuals, "sentences": []}
    return CalibrationResult(
        parameters,
        undetermined_directions(vector, found.uncertainty),
        correlations(vector, found.uncertainty),
        least_determined(vector, found.uncertainty),
        status,
        found.loss,
        len(history),
        numerics_report(objective, selection.candidates),
        {
            name: model.get_parameter(name).detach().numpy()
            for name in vector.parameters
            if vector.is_field(name)
        },
        [history_row(number, *point, vector) for number, point in enumerate(history)],
        residuals=residuals,
    )


def assess_estimate(
    objective: Objective, unknowns: np.ndarray, loss: float, weigh_priors: bool
) -> Assessment:
    """Uncertainty of the parameters, loss and quality of the fit at the estimate.

    Values predicted by a guide contribute to the parameters that are determined, but not to the
    standard deviations and the quality of the fit: a prediction is not a measurement. Without an
    uncertainty if there are too many parameters for a Jacobian.

    Args:
        objective: The objective.
        unknowns: All unknowns at the estimate.
        loss: Loss to return where none is computed.
        weigh_priors: Whether priors are part of the objective and weighted with its noise.

    Raises:
        DivergenceError: if a rollout is no longer finite.
    """
    measured, at_measured, uncertainty = objective, None, None
    if objective.can_linearize:
        at_measured = objective.linearize(unknowns)
        loss = at_measured.loss
        uncertainty = _uncertainty(objective, at_measured, weigh_priors)
    if objective.observations.has_predictions:
        measured = objective.without_predictions()
        unknowns = unknowns[: len(measured.start)]
        if uncertainty is not None:
            at_measured = measured.linearize(unknowns)
            std = _uncertainty(measured, at_measured, weigh_priors).std
            uncertainty = replace(uncertainty, std=std)
    fit = assess_fit(measured, unknowns, at_measured)
    return Assessment(loss, uncertainty, fit, measured, unknowns)


def _uncertainty(objective: Objective, at: Linearization, weigh_priors: bool) -> Uncertainty:
    jacobian, residual = at.of_parameters(len(objective.vector))
    variance = objective.noise_variance if weigh_priors else None
    return assess(jacobian, residual, objective.num_values, len(at.z), variance)


def parameter_report(
    model: PhysicalModel,
    vector: ParameterVector,
    uncertainty: Uncertainty | None,
    shift: np.ndarray | None = None,
    budget: ErrorBudget | None = None,
) -> dict[str, dict[str, Any]]:
    """Every learnable parameter with value, uncertainties, initial guess, bounds and unit.

    A parameter that the data do not determine has the value ``None``. Without an uncertainty
    (after divergence) there are no standard deviations. The value of a field is its description;
    ``std`` and ``learned`` are those of its learned numbers, named in ``labels``.

    Args:
        model: The model at the estimate.
        vector: The learnable parameters.
        uncertainty: Uncertainty of the parameters.
        shift: Change of each parameter on a finer discretization.
        budget: Uncertainty by source.
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
        error = None
        if shift is not None and determined and np.isfinite(shift[owned]).all():
            error = vector.by_name(shift, name)
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
            "discretization_error": error,
            **budget_report(budget, vector, name, determined),
        }
        if is_field:
            del report[name]["bounds"]
            report[name]["labels"] = [vector.labels[entry] for entry in owned]
            report[name]["learned"] = vector.by_name(vector.values(z), name)
    return report


def numerics_report(objective: Objective, candidates: list[dict[str, Any]]) -> dict[str, Any]:
    """The discretization of a calibration, and those it was compared with."""
    model = objective.model
    return {
        "scheme": model.discretization.scheme,
        "order": model.discretization.order,
        "refine": model.discretization.refine,
        "time_stepping": model.time_stepping_used,
        "substeps": objective.substeps_used,
        "compiled": model.has_compiled_steps,
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
