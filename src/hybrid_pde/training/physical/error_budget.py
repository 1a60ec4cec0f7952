"""Uncertainty of the estimate from all sources: noise, scheme, grid, storage, first frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from hybrid_pde.errors import DivergenceError
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.physical.autocorrelation import Correlation
from hybrid_pde.training.physical.correlated_errors import std_factors, uneven_factors
from hybrid_pde.training.physical.data_precision import Rounding, roundings
from hybrid_pde.training.physical.denoised_states import noise_information
from hybrid_pde.training.physical.discretization_check import Refinement
from hybrid_pde.training.physical.discretization_part import (
    closest,
    discretization_part,
    left_by,
)
from hybrid_pde.training.physical.fit_quality import FitQuality
from hybrid_pde.training.physical.frame_arrays import MOST_PARAMETERS, Sensitivities
from hybrid_pde.training.physical.initial_state_noise import first_frame_effect
from hybrid_pde.training.physical.normal_interval import interval_90
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.residual_arrays import sensitivity_arrays
from hybrid_pde.training.physical.scheme_discrepancy import (
    SchemeDiscrepancy,
    scheme_discrepancy,
)
from hybrid_pde.training.physical.scheme_selection import SchemeSelection

PARTS = ("noise", "scheme", "discretization", "precision", "initial_state")
# Losses within this ratio of the smallest leave the choice of the scheme open.
_OPEN = 2.0
# A loss within this factor of the variance of the rounding errors is theirs: a solver in single
# precision accumulates them over its steps.
_ROUNDING_FACTOR = 1e3
# Residuals whose effective sample size is below half their number, and that grow with lead time,
# are those of a wrong scheme or equation. Noise of the first frames does not grow.
_STRUCTURED, _GROWING = 2.0, 2.0
# Product of the autocorrelations of neighbours along all axes from which residuals are smooth.
_ALIKE = 0.5


@dataclass(frozen=True)
class ErrorBudget:
    """Standard deviations of the parameters by source, in physical units.

    Attributes:
        parts: By name in :data:`PARTS`, ``[n]``; ``None`` for a source that was not assessed.
        other_schemes: What schemes of other solvers may do to the estimate, a part of ``scheme``;
            ``None`` where it was not assessed.
        shifts: Changes of z that a part consists of, whose sign is known, ``[n]`` each.
    """

    parts: Mapping[str, np.ndarray | None]
    other_schemes: SchemeDiscrepancy | None = None
    shifts: Sequence[np.ndarray] = ()

    @property
    def total(self) -> np.ndarray:
        """Root of the sum of squares of all parts, ``[n]``; NaN where the noise is not known."""
        known = [part for part in self.parts.values() if part is not None]
        noise = self.parts["noise"]
        squares = np.nansum(np.square(known), axis=0)
        return np.where(np.isnan(noise), np.nan, np.sqrt(squares))  # type: ignore[arg-type]


def error_budget(
    objective: Objective,
    unknowns: np.ndarray,
    std: np.ndarray,
    fit: FitQuality,
    refinement: Refinement | None,
    selection: SchemeSelection,
) -> ErrorBudget:
    """Uncertainty of the estimate by source.

    Args:
        objective: The misfit to what was measured, its model at the estimate.
        unknowns: All its unknowns at the estimate.
        std: Standard deviations of z for independent errors, ``[n]``.
        fit: Statistics of the residuals.
        refinement: The estimate on a finer discretization, if there is one.
        selection: The comparison of discretizations.
    """
    vector = objective.vector
    slopes = np.abs(vector.slopes(vector.read()))
    rounding = roundings(objective.observations)
    scale = objective.observations.scale
    variance = float(np.mean([(each.size / scale[name]) ** 2 for name, each in rounding.items()]))
    windows = _sensitivities(objective, unknowns, fit)
    independent, spread, first, stored = _sampled(objective, unknowns, windows, fit, rounding)
    relative = _rounding_factors(objective, windows, fit, rounding)
    if first is not None:  # noise of the first frames correlates the residuals, and counts once
        squares = (std * spread) ** 2 - first**2
        spread = np.sqrt(np.maximum(squares, (independent * std) ** 2)) / std
    spread = spread * _noise_information(objective, unknowns)
    # The shift on a finer grid accounts for what the finer solution explains: noise is the rest.
    is_rounding = fit.loss <= _ROUNDING_FACTOR * variance
    refinement = closest(refinement, is_rounding)
    left = left_by(refinement)
    # Estimated initial states take up noise of short lead times: growth alone is no structure.
    takes_up = objective.states is not None and np.prod(fit.correlation.lag_one) < _ALIKE
    hidden = 0.0
    if left * fit.loss > _ROUNDING_FACTOR * variance and not takes_up:
        hidden = structured_share(fit.correlation) * objective.num_values
        spread = np.sqrt(spread**2 + hidden * independent**2)
    other = None
    if windows and _num_compared(selection) > 1:
        other = scheme_discrepancy(objective, unknowns, windows, left)
    correlated = fit.correlation.inflation + hidden
    shift, discretization = discretization_part(objective, refinement, left, correlated)
    shifts = [shift] if other is None else [shift, other.shift]
    return ErrorBudget(
        {
            "noise": std * spread * sqrt(left) * slopes,
            "scheme": _scheme(selection, vector, fit, other),
            "discretization": discretization,
            "precision": np.hypot(std * relative, stored) * slopes,
            "initial_state": None if first is None else first * sqrt(left) * slopes,
        },
        other,
        shifts,
    )


def _noise_information(objective: Objective, unknowns: np.ndarray) -> np.ndarray:
    try:
        return noise_information(objective, unknowns)
    except DivergenceError:
        warn_of_result(
            "uncertainty may be too small: the solution diverges from initial states without their "
            "noise, so how much of the information comes from noise is unknown"
        )
        return np.ones(len(objective.vector))


def _sensitivities(
    objective: Objective, unknowns: np.ndarray, fit: FitQuality
) -> Sequence[Sensitivities]:
    """Residuals of frames with derivatives; none with many parameters, or without residuals."""
    if len(objective.vector) > MOST_PARAMETERS or fit.loss == 0:
        return []
    if fit.windows is not None:
        return fit.windows
    try:
        return sensitivity_arrays(objective, unknowns)
    except DivergenceError:
        return []


def _sampled(
    objective: Objective,
    unknowns: np.ndarray,
    windows: Sequence[Sensitivities],
    fit: FitQuality,
    rounding: dict[str, Rounding],
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
    """Effects of errors of the data on the estimate.

    Returns:
        Factors on the std for independent errors, and for correlated ones, ``[p]``; effects of
        noise in first frames, ``None`` where they are not taken as exact, and of their rounding.
    """
    size = len(objective.vector)
    independent, nothing = np.ones(size), np.zeros(size)
    factor = np.full(size, sqrt(fit.correlation.inflation))
    if windows:
        independent, factor = std_factors(windows)
        if objective.states is None:
            try:
                found = first_frame_effect(objective, unknowns, windows, rounding)
            except DivergenceError:
                return independent, factor, None, nothing
            return independent, factor, found.noise, found.rounding
    return independent, factor, None, nothing


def _rounding_factors(
    objective: Objective,
    windows: Sequence[Sensitivities],
    fit: FitQuality,
    rounding: dict[str, Rounding],
) -> np.ndarray:
    """Standard deviations from the rounding of the targets relative to the std, ``[p]``."""
    observations, size = objective.observations, len(objective.vector)
    if fit.loss == 0:
        return np.zeros(size)
    variances = []
    for each in windows:
        states = each.residuals.states
        assert states is not None, "residuals of frames have their states"
        parts, first = [], 0
        for name in observations.fields:
            channels = slice(first, first + observations.layouts[name].channels)
            own = rounding[name].errors(states[:, channels]) / observations.scale[name]
            parts.append(own**2)
            first = channels.stop
        variances.append(np.concatenate(parts, axis=1))
    if variances:
        return uneven_factors(windows, variances)
    squares = [(each.size / observations.scale[name]) ** 2 for name, each in rounding.items()]
    return np.full(size, sqrt(float(np.mean(squares)) / fit.loss))


def structured_share(found: Correlation) -> float:
    """Share of the mean square of the residuals that a wrong scheme or equation leaves.

    All of it where neighbours in time and space are alike and the residuals grow with lead time;
    otherwise the part by which they grow beyond chance. Noise, also correlated, does not grow. A
    change of a parameter can hide as much of the error as the residuals show: N residuals of
    structure stand for one independent value.
    """
    if found.growth >= _GROWING and np.prod(found.lag_one) >= _ALIKE:
        return 1.0
    chance = np.exp(-2 * sqrt(12 * found.inflation / max(found.num_values, 1)))
    growth = found.growth * chance
    return float((growth - 1) / (growth + 1)) if growth > 1 else 0.0


def _num_compared(selection: SchemeSelection) -> int:
    return sum(each["loss"] is not None or "not_fitted" in each for each in selection.candidates)


def _scheme(
    selection: SchemeSelection,
    vector: ParameterVector,
    fit: FitQuality,
    other: SchemeDiscrepancy | None,
) -> np.ndarray | None:
    """Error of the estimates from the choice of the scheme, ``[n]``; ``None`` without a choice.

    Where the residuals have structure, no scheme is right, and losses within a factor of two do not
    tell which is closest: at least half the range. Without frames, of which the discrepancy of
    other schemes is found, those that differ by no more than chance are equally probable: the root
    mean square distance from the chosen one.

    Args:
        selection: The comparison of schemes.
        vector: The learnable parameters.
        fit: Statistics of the residuals.
        other: What schemes of other solvers may do to the estimate.
    """
    if _num_compared(selection) < 2:
        return None
    fitted = [each for each in selection.candidates if each["loss"] is not None]
    best = min(each["loss"] for each in fitted)
    found = fit.correlation
    discrepancy = None if other is None else other.error * np.abs(vector.slopes(vector.read()))
    if found.inflation >= _STRUCTURED and found.growth >= _GROWING:
        open_ones = [
            _flat(each["parameters"], vector) for each in fitted if each["loss"] <= _OPEN * best
        ]
        half = np.asarray(np.ptp(open_ones, axis=0) / 2)
        return half if discrepancy is None else np.maximum(half, discrepancy)
    if discrepancy is not None:
        return discrepancy
    squares = [(each.values - each.chosen_values) ** 2 for each in selection.rivals]
    return np.sqrt(np.sum(squares, axis=0) / (1 + len(squares)) * np.ones(len(vector)))


def _flat(parameters: Mapping[str, Any], vector: ParameterVector) -> np.ndarray:
    return np.concatenate([np.atleast_1d(parameters[name]) for name in vector.parameters])


def budget_report(
    budget: ErrorBudget | None, vector: ParameterVector, name: str, determined: bool
) -> dict[str, Any]:
    """``uncertainty``, ``interval_90`` and ``uncertainty_parts`` of a parameter, in plain types.

    ``None`` for a learned field, for what the data do not determine, and without a budget.
    """
    empty: dict[str, Any] = dict.fromkeys(("uncertainty", "interval_90", "uncertainty_parts"))
    owned = vector.owned(name)
    if budget is None or not determined or vector.is_field(name):
        return empty
    total = budget.total
    if not np.isfinite(total[owned]).all():
        return empty
    lower, upper = interval_90(vector, total, budget.shifts)
    return {
        "uncertainty": vector.by_name(total, name),
        "interval_90": [vector.by_name(lower, name), vector.by_name(upper, name)],
        "uncertainty_parts": {
            part: None
            if values is None or not np.isfinite(values[owned]).all()
            else vector.by_name(values, name)
            for part, values in budget.parts.items()
        },
    }
