"""Quality of a calibration's fit: loss, bounds, agreement of simulations, residual structure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import Any

import numpy as np

from hybrid_pde.training.physical.autocorrelation import Correlation, correlation
from hybrid_pde.training.physical.frame_arrays import Sensitivities
from hybrid_pde.training.physical.homogeneity import Homogeneity, homogeneity
from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.minimum import CONVERGED
from hybrid_pde.training.physical.misfit_structure import (
    INFLATED_STD,
    MisfitStructure,
    misfit_structure,
)
from hybrid_pde.training.physical.misfit_words import misfit_sentences
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.residual_arrays import (
    has_all_sensitivities,
    residuals_of_end,
    sensitivity_arrays,
)
from hybrid_pde.training.physical.residual_maps import residual_maps
from hybrid_pde.training.physical.residuals import Residuals

# Loss from which the model explains less of the data than it leaves unexplained.
_POOR_LOSS = 0.5
# Smaller probabilities are not told apart.
_LEAST_PROBABILITY = 1e-12
# Simulations that agree are reported in one of 10 000 calibrations.
_DISAGREEMENT = 1e-4
# Residuals below 0.1 % of the data's standard deviation are those of a good discretization. Their
# structure is reported only where it moves a parameter by 1 %.
_SMALL_LOSS = 1e-6
_NOTICEABLE = 0.01
# Loss from which correlated residuals are reported whatever their effect: 1 % of the data's
# standard deviation.
_NOTICEABLE_LOSS = 1e-4
# Distance from a bound, in units of the bound, and in units of the step to the free minimum.
_AT_BOUND, _SHORT_OF_STEP = 1e-6, 1e-2


@dataclass(frozen=True)
class FitQuality:
    """Statistics of the measured residuals at the estimate.

    Attributes:
        correlation: Correlation of the residuals.
        homogeneity: Agreement of the simulations; ``None`` with one simulation.
        step: Gauss-Newton step from the estimate without bounds, in z; ``None`` with too many
            unknowns.
        simulations: Numbers of the simulations.
        loss: Mean square of the residuals.
        maps: Result of :func:`residual_maps`, with ``structure`` and ``sentences`` on it.
        structure: Structure of the channels whose residuals are correlated.
        windows: Residuals with derivatives, for the budget of errors; ``None`` if they were not
            computed.
    """

    correlation: Correlation
    homogeneity: Homogeneity | None
    step: np.ndarray | None
    simulations: list[int]
    loss: float
    maps: Mapping[str, Any] = field(default_factory=dict)
    structure: Sequence[MisfitStructure] = ()
    windows: Sequence[Sensitivities] | None = None


def assess_fit(measured: Objective, unknowns: np.ndarray, at: Linearization | None) -> FitQuality:
    """Statistics of the residuals at the estimate.

    With the derivatives that the budget of errors needs, unless they are too many.

    Args:
        measured: The objective without predicted values.
        unknowns: All its unknowns at the estimate.
        at: Its linearization there, if there is one.

    Raises:
        DivergenceError: if the rollout is no longer finite.
    """
    windows = None
    if at is not None and at.loss and has_all_sensitivities(measured):
        windows = sensitivity_arrays(measured, unknowns)
    residuals = (
        residuals_of_end(measured, unknowns)
        if windows is None
        else [each.residuals for each in windows]
    )
    # Sensor readings, without axes of space, only where there are no frames.
    axes = max(each.values.ndim for each in residuals)
    structure = correlation(each for each in residuals if each.values.ndim == axes)
    agreement = step = None
    if at is not None:
        jacobian, residual = at.of_parameters(len(measured.vector))
        step = np.linalg.lstsq(jacobian, -residual, rcond=None)[0]
        if at.grams is not None:
            counts = measured.observations.counts_by_simulation()
            agreement = homogeneity(at.grams, counts, structure.inflation)
    loss = measured.loss(unknowns) if at is None else at.loss
    observations = measured.observations
    maps = residual_maps(residuals, structure, observations.grid, measured.dt)
    found = _misfit(measured, residuals, loss)
    if "map" in maps:
        maps |= {
            "structure": [asdict(each) for each in found],
            "sentences": misfit_sentences(found),
        }
    numbers = observations.simulation_numbers
    return FitQuality(structure, agreement, step, numbers, loss, maps, found, windows)


def _misfit(
    measured: Objective, residuals: Sequence[Residuals], loss: float
) -> list[MisfitStructure]:
    """Structure of residuals that a better equation would not have; else empty.

    The smoothness of a learned field leaves structure on purpose, and residuals of a good
    discretization have it, too.
    """
    vector, observations = measured.vector, measured.observations
    if loss < _SMALL_LOSS or any(vector.is_field(name) for name in vector.parameters):
        return []
    layouts = [observations.layouts[name] for name in observations.fields]
    return misfit_structure(residuals, layouts, observations.grid)


def fit_warnings(
    fit: FitQuality,
    vector: ParameterVector,
    parameters: Mapping[str, Any],
    loss: float,
    status: str,
    is_explained: bool = False,
) -> Iterator[str]:
    """Messages on faults of the fit, one for each.

    Args:
        fit: The statistics.
        vector: The learnable parameters, at the estimate.
        parameters: The entry ``parameters`` of the result.
        loss: Loss at the estimate.
        status: Status of the minimization.
        is_explained: Whether structure of the residuals has a cause that is reported elsewhere.
    """
    yield from _describe_loss(loss, fit)
    at_bounds = (
        []
        if fit.step is None
        else list(
            _describe_bounds(
                fit.step, vector, [name for name in parameters if parameters[name]["determined"]]
            )
        )
    )
    yield from at_bounds
    if at_bounds or loss > _POOR_LOSS or status != CONVERGED or is_explained:
        return  # residuals disagree and have structure for the same reason
    disagreement = _describe_disagreement(fit, vector, loss)
    if disagreement is not None:
        yield disagreement  # which also gives the residuals structure
    elif not any(vector.is_field(name) for name in vector.parameters):
        # The smoothness of a learned field leaves structure on purpose.
        yield from _describe_structure(fit, parameters, loss)


def _describe_loss(loss: float, fit: FitQuality) -> Iterator[str]:
    """A message if the model explains less than half of the variance of the data."""
    if loss > _POOR_LOSS:
        share = "none" if loss > 0.995 else f"only {1 - loss:.0%}"
        yield (
            f"the loss at the estimate is {loss:.3g}: the calibrated model explains {share} of the "
            f"variance of the data, so the estimates mean little. {_capitalized(fit.structure)}"
            "Check the equation, the boundary, the units and the initial guess; where a time step "
            "is too long, set model.physical.numerics.substeps"
        )


def _capitalized(structure: Sequence[MisfitStructure]) -> str:
    """Verdict of the residuals on the equation, as a sentence of a message; may be empty."""
    text = "; ".join(misfit_sentences(structure))
    return f"{text[0].upper()}{text[1:]}. " if text else ""


def _describe_bounds(
    step: np.ndarray, vector: ParameterVector, determined: Sequence[str]
) -> Iterator[str]:
    """A message for each determined parameter with numbers at a bound."""
    z = vector.read()
    values = vector.values(z)
    for side, bounds, sign in (("lower", vector.lower, -1), ("upper", vector.upper, 1)):
        with np.errstate(invalid="ignore"):
            distance = np.where(np.isfinite(bounds), np.abs(z - bounds), np.inf)
            touches = distance <= _AT_BOUND * np.abs(bounds)
        leaves = (sign * step > distance) & (distance <= _SHORT_OF_STEP * np.abs(step))
        limited = np.isfinite(distance) & (touches | leaves)
        for name in determined:
            owned = [entry for entry in vector.owned(name) if limited[entry]]
            if not owned:
                continue
            what = f"{vector.labels[owned[0]]} = {values[owned[0]]:.4g} is"
            if vector.is_field(name):
                what = f"{len(owned)} of the numbers of {name} are"
            limit = float(vector.values(bounds)[owned[0]])
            advice = (
                f"Widen the bounds of {name} in trainer_params.learnable_parameters, or check the "
                "equation and the units"
                if limit
                else "Check the equation, the units and whether the scheme is too diffusive"
            )
            yield (
                f"{what} at the {side} bound {limit:.4g}: the data are fitted better beyond it, so "
                f"this is no estimate. {advice}"
            )


def _describe_disagreement(fit: FitQuality, vector: ParameterVector, loss: float) -> str | None:
    found = fit.homogeneity
    if found is None or found.p_value > _DISAGREEMENT:
        return None
    slopes, value = vector.slopes(vector.read()), vector.values(vector.read())
    offsets, errors = found.offsets * slopes, found.errors * np.abs(slopes)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = np.where(errors > 0, np.abs(offsets) / errors, 0.0)
    entry = int(deviations.max(axis=0).argmax())
    spread = float(np.ptp(offsets[:, entry]))
    if loss < _SMALL_LOSS and spread <= _NOTICEABLE * abs(value[entry]):
        return None
    lowest, highest = int(offsets[:, entry].argmin()), int(offsets[:, entry].argmax())
    low, high = (value[entry] + offsets[each, entry] for each in (lowest, highest))
    digits = 3  # as many more as the values have in common
    if 0 < spread < abs(value[entry]):
        digits += int(np.log10(abs(value[entry]) / spread))
    sentences = "".join(f"; {each}" for each in misfit_sentences(fit.structure))
    least = _LEAST_PROBABILITY
    chance = f"of {found.p_value:.1g}" if found.p_value >= least else f"below {least:.0e}"
    return (
        f"the training simulations disagree on {vector.labels[entry]}: about {low:.{digits}g} fits "
        f"simulation {fit.simulations[lowest]} and {high:.{digits}g} simulation "
        f"{fit.simulations[highest]} (first-order estimates; chance would give such a difference "
        f"with a probability {chance}), so the common value "
        f"{value[entry]:.{digits + 1}g} and its std describe neither. If the parameter differs "
        "between simulations, give each its own (per_simulation: true) or state the values in "
        "data.known_parameters; otherwise the grid does not resolve the data (refine: 2 would make "
        f"them agree), or the equation lacks something that differs between them{sentences}"
    )


def _describe_structure(
    fit: FitQuality, parameters: Mapping[str, Any], loss: float
) -> Iterator[str]:
    found = fit.correlation
    factor = sqrt(found.inflation)
    if factor < INFLATED_STD or loss < _SMALL_LOSS:
        return
    inflated = max(_relative_stds(parameters), default=0.0) * factor
    if inflated < _NOTICEABLE and loss < _NOTICEABLE_LOSS:
        return
    frames, *cells = found.lengths
    over = f"{frames:.1f} frames"
    if cells:
        over += f" and {' × '.join(f'{each:.1f}' for each in cells)} cells"
    yield (
        f"the residuals are correlated over about {over}: the model lacks something that the data "
        f"have, and each std is too small by up to a factor of about {factor:.2g}. "
        f"{_capitalized(fit.structure)}"
        "Check the equation and the boundary, refine the discretization "
        "(model.physical.numerics.refine) or fit shorter windows "
        "(trainer_params.physical.num_predict_steps)"
    )


def _relative_stds(parameters: Mapping[str, Any]) -> Iterator[float]:
    """Standard deviations of all determined numbers relative to their values."""
    for parameter in parameters.values():
        if parameter["std"] is None:
            continue
        values = parameter.get("learned", parameter["value"])
        if values is None:
            continue
        pairs = zip(np.atleast_1d(values), np.atleast_1d(parameter["std"]), strict=True)
        yield from (float(std / abs(value)) for value, std in pairs if value and np.isfinite(std))
