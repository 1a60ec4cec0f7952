"""Warnings about the estimates of a calibration."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.physical.discretization_check import describe_shift
from hybrid_pde.training.physical.error_budget import ErrorBudget
from hybrid_pde.training.physical.minimum import DIVERGED
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.scheme_selection import SchemeSelection
from hybrid_pde.training.physical.uncertainty import Uncertainty

# Relative difference of two schemes' estimates below which they are the same for every purpose.
_SAME_VALUE = 1e-4
# Part of the uncertainty relative to the shift on a finer grid that says it is not the data's.
_OWN_GRID = 0.01
# A component of a vector that is less than this beside the largest one counts as that much.
_SMALLEST_SHARE = 1e-3
# Factor on the square of a difference from which it is more than all other parts of an uncertainty
# together, which includes it.
_CLEAR = 2


def warn_of_parameters(parameters: Mapping[str, Any], status: str) -> None:
    """Warn of a diverged calibration, and of parameters that the data do not determine."""
    if status == DIVERGED:
        warn_of_result(
            "the calibration diverged: the parameters are the best estimate before it did. Try "
            "another trainer_params.learnable_parameters: initial_guess, narrower bounds, or "
            "shorter windows (trainer_params.physical.num_predict_steps)"
        )
    for name, parameter in parameters.items():
        if not parameter["determined"]:
            warn_of_result(
                f"{name}: the data do not determine it; give its value in "
                "model.physical.pde_params and take it out of trainer_params.learnable_parameters, "
                "or add data on which it has an influence"
            )


def warn_of_shifts(parameters: Mapping[str, Any], used: Discretization) -> None:
    """Warn of every parameter that depends on the discretization.

    Not where the finer one fits so much worse that the data are those of the used grid.
    """
    for name, parameter in parameters.items():
        shift, value, std = (parameter[k] for k in ("discretization_error", "value", "std"))
        if shift is None or value is None or isinstance(value, dict):
            continue
        part = (parameter.get("uncertainty_parts") or {}).get("discretization")
        sizes = np.abs(np.atleast_1d(np.array(shift, dtype=float)))
        if part is not None and np.all(np.atleast_1d(part) <= _OWN_GRID * sizes):
            continue
        each = zip(*(np.atleast_1d(np.array(v, dtype=float)) for v in (value, shift)), strict=True)
        stds = np.atleast_1d(np.array(np.nan if std is None else std, dtype=float))
        negligible = _SMALLEST_SHARE * float(np.abs(np.array(value, dtype=float)).max())
        for position, (at, by) in enumerate(each):
            spread = max(float(stds[min(position, len(stds) - 1)]), 0.01 * negligible)
            text = describe_shift(name, float(at), float(by), spread, used)
            if text is not None:
                warn_of_result(text)


def warn_of_rivals(
    selection: SchemeSelection,
    vector: ParameterVector,
    uncertainty: Uncertainty | None,
    used: Discretization,
    budget: ErrorBudget | None = None,
) -> None:
    """Warn of schemes that fit equally well with parameters that differ by more than their std.

    A difference that is small beside the other parts of the uncertainty is no matter.
    """
    if uncertainty is None:
        return
    stds = uncertainty.std * np.abs(vector.slopes(vector.read()))
    total = np.zeros(len(stds)) if budget is None else budget.total
    for rival in selection.rivals:
        away = np.abs(rival.values - rival.chosen_values)
        least = np.maximum(stds, _SAME_VALUE * np.abs(rival.chosen_values))
        # undetermined parameters have no std
        for entry in np.flatnonzero((away > least) & ~(_CLEAR * away**2 <= total**2)):
            warn_of_result(
                f"{vector.labels[entry]} depends on the scheme: {used.label} gives "
                f"{rival.chosen_values[entry]:.5g}, {rival.discretization.label} "
                f"{rival.values[entry]:.5g}, which differ by {away[entry] / stds[entry]:.2g} std, "
                "and the data cannot tell which is right. Set model.physical.numerics.scheme and "
                "order to those that made the data, or use data on a finer grid"
            )


def warn_of_other_schemes(
    budget: ErrorBudget | None, vector: ParameterVector, used: Discretization
) -> None:
    """Warn if a scheme of order 2 explains the data better and gives clearly other estimates."""
    if budget is None or budget.other_schemes is None or not budget.other_schemes.is_second_order:
        return
    z = vector.read()
    values = vector.values(z)
    moved = vector.values(z + budget.other_schemes.shift)
    away = np.abs(moved - values)
    clear = _CLEAR * away**2 > budget.total**2
    if not clear.any():
        return
    changes = ", ".join(
        f"{vector.labels[entry]} from {values[entry]:.4g} to about {moved[entry]:.4g}"
        for entry in np.flatnonzero(clear)
    )
    warn_of_result(
        f"the data look as if a scheme of order 2 made them: the error of such a scheme explains "
        f"residuals that {used.label} leaves, and would move {changes}; interval_90 includes this. "
        "Use data on a finer grid, or set model.physical.numerics.scheme and order to those that "
        "made the data"
    )
