"""Selection of the discretization with the smallest residual.

Data generated with a coarse scheme are best explained by that scheme. Wrong parameters hide the
difference, so the parameters are fitted for every candidate: first on a short stretch of the data,
then, for candidates that are about equal there, on whole windows. All candidates see the same
noise, so their residuals are compared value by value. A candidate that is predicted to be far from
the best one is not fitted.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import numpy as np

from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.numerics.discretization import CANDIDATES, SHOCK_CANDIDATE, Discretization
from hybrid_pde.training.physical.candidate_screening import predicted_fit
from hybrid_pde.training.physical.denoised_states import without_noise
from hybrid_pde.training.physical.minimization import gauss_newton
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.paired_comparison import compare
from hybrid_pde.training.physical.refined_linearization import discretized
from hybrid_pde.training.physical.residual_arrays import (
    residual_arrays,
    residuals_of_end,
    start_residuals,
)
from hybrid_pde.training.physical.residuals import Residuals

# Long enough to distinguish schemes of noise-free data, short compared with the calibration itself.
NUM_WINDOWS = 4
NUM_FRAMES = 4
# Largest number of values of the whole windows on which about equal candidates are compared, which
# bounds the cost with noisy data, and the fewest windows.
MAX_VALUES = 2**20
_FEWEST_WINDOWS = 2
# Largest number of initial values that are estimated in the comparison.
_MAX_STATES = 1024
# Enough to reach the optimum from a distant guess; later candidates start near theirs.
MAX_ITERATIONS = 30
# Candidates are compared at their optima, up to rounding.
TOLERANCE = 1e-9
# Near enough for a few iterations on all windows to find the optimum.
_ROUGH = 1e-3
# Losses whose ratio is smaller are compared on whole windows. Candidates with a larger ratio
# differ, even if the difference is that of a few large structures, which have no significance.
_RATIO = 2.0
# Relative difference of parameters that schemes of a resolved solution do not explain.
_FAR = 0.2
# Loss at which a scheme for smooth solutions explains the data: 1 % of their standard deviation.
_EXPLAINED = 1e-4
# A candidate whose loss is predicted to be this many times the smallest is not fitted. Losses
# within a factor of two matter; derivatives of another candidate leave a small error.
_HOPELESS = 10.0
# Time steps a frame relative to the best candidate from which others are not fitted, where initial
# states are unknown and noise hides the difference: each iteration is a dozen rollouts.
_STIFF = 32

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rival:
    """A candidate that the data cannot tell from the chosen one.

    Attributes:
        discretization: The candidate.
        values: Its estimates, in physical units, ``[n]``.
        chosen_values: Those of the chosen one on the same data.
    """

    discretization: Discretization
    values: np.ndarray
    chosen_values: np.ndarray


@dataclass(frozen=True)
class SchemeSelection:
    """Result of a selection.

    Attributes:
        candidates: Scheme, order, loss (``None`` if it diverged) and parameters of every candidate;
            for one that was not fitted, what was predicted, and the reason as ``not_fitted``.
        optimum: The estimate z of the chosen one; ``None`` if all diverged.
        rivals: Candidates that fit the data equally well.
    """

    candidates: list[dict[str, Any]] = field(default_factory=list)
    optimum: np.ndarray | None = None
    rivals: list[Rival] = field(default_factory=list)


@dataclass(frozen=True)
class _Fit:
    """A candidate at its optimum; without an optimum if its solution diverges.

    Attributes:
        candidate: The candidate.
        z: The optimum.
        loss: The loss there.
        residuals: The residuals there.
        trial: The misfit, with its last linearization at the optimum.
        better: The candidate next to which this one was not worth fitting: optimum and loss are
            predicted.
        steps: Time steps a frame.
    """

    candidate: Discretization
    z: np.ndarray
    loss: float = inf
    residuals: Sequence[Residuals] = ()
    trial: Objective | None = None
    better: Discretization | None = None
    steps: int = 0


def select_discretization(objective: Objective) -> SchemeSelection:
    """Set the model to the scheme with the smallest residual.

    If values are hidden, the first stretch has the full length of the windows. Among candidates
    that fit equally well, the most accurate one is chosen.
    """
    model, whole = objective.model, objective.observations
    frames = whole.windows[0].num_frames if whole.hides else NUM_FRAMES
    stretch = whole.subset(NUM_WINDOWS, frames)
    possible = [each for each in candidates(model) if each.incompatibility(whole.grid) is None]
    fits = _fit_all(objective, stretch, possible)
    equal = _equal(fits, _RATIO)
    if not equal:
        return SchemeSelection([_entry(objective, each) for each in fits])
    # Errors of the initial frames, if they are not estimated, hide the differences.
    estimate = objective.states is not None and _FEWEST_WINDOWS * whole.state_size <= _MAX_STATES
    longer = _whole_windows(whole, _MAX_STATES if estimate else None)
    if len(equal) > 1 and (longer.num_values > stretch.num_values or estimate):
        logger.info("%d schemes fit a short stretch about equally; comparing them", len(equal))
        again = [_fit(objective, longer, each.candidate, each.z, estimate) for each in equal]
        fits = [next((a for a in again if a.candidate == f.candidate), f) for f in fits]
        equal = [each for each in again if each.loss < inf] or equal
    equal = _equal(equal)
    chosen = max(equal, key=lambda each: _accuracy(each.candidate))
    model.discretization = chosen.candidate
    values = objective.vector.values
    rivals = [
        Rival(each.candidate, values(each.z), values(chosen.z))
        for each in equal
        if each is not chosen
    ]
    return SchemeSelection([_entry(objective, each) for each in fits], chosen.z, rivals)


def _fit_all(
    objective: Objective, stretch: Observations, possible: Sequence[Discretization]
) -> list[_Fit]:
    """Every candidate at its own optimum on a stretch; WENO only where no other explains it.

    The most accurate ones come first: where one of them explains the data, others are rarely near.
    """
    fits: list[_Fit] = []
    start = objective.vector.read()
    for candidate in sorted(possible, key=_first_tried, reverse=True):
        if candidate.scheme == "weno" and any(each.loss < _EXPLAINED for each in fits):
            continue  # no shocks; WENO costs more than all other candidates
        found = _screened(objective, stretch, candidate, fits)
        fit = _fit if fits else _first_fit
        found = found or fit(objective, stretch, candidate, start)
        fits.append(found)
        if found.loss == min(each.loss for each in fits) < inf:
            start = found.z  # close to the optimum of the next candidate
    # A candidate that started far away may have stopped in another minimum than later ones.
    for position, found in enumerate(fits):
        is_far = bool(np.any(np.abs(found.z - start) > _FAR * np.abs(start)))
        if is_far and _RATIO * min(each.loss for each in fits) < found.loss < inf:
            again = _fit(objective, stretch, found.candidate, start)
            fits[position] = min(found, again, key=lambda each: each.loss)
    return sorted(fits, key=lambda each: possible.index(each.candidate))


def _first_fit(
    objective: Objective, stretch: Observations, candidate: Discretization, start: np.ndarray
) -> _Fit:
    """The first candidate, from a distant guess: most iterations are made on one window."""
    if objective.states is None and len(stretch.windows) > 1:
        one = stretch.subset(1, stretch.windows[0].num_frames)
        rough = _fit(objective, one, candidate, start, tolerance=_ROUGH)
        if rough.loss < inf:
            found = _fit(objective, stretch, candidate, rough.z)
            if found.loss <= max(_RATIO * rough.loss, _EXPLAINED):
                return found
    return _fit(objective, stretch, candidate, start)


def _screened(
    objective: Objective, stretch: Observations, candidate: Discretization, fits: Sequence[_Fit]
) -> _Fit | None:
    """The prediction for a candidate next to a much better one; ``None`` if it is to be fitted."""
    best = min(fits, key=lambda each: each.loss, default=None)
    hidden = objective.states is not None and stretch.hides_starts
    if best is None or best.loss == inf or candidate.scheme == "weno" or hidden:
        return None
    if best.loss >= _EXPLAINED:
        return _too_stiff(objective, stretch, candidate, best)
    assert best.trial is not None
    found = predicted_fit(best.trial, best.z, best.candidate, candidate)
    if found is None or found.loss < _HOPELESS * best.loss:
        return None
    return _Fit(candidate, found.z, found.loss, better=best.candidate)


def _too_stiff(
    objective: Objective, stretch: Observations, candidate: Discretization, best: _Fit
) -> _Fit | None:
    """A candidate that takes many times the steps of the best one; ``None`` if it is to be fitted.

    Known states have one rollout an iteration: all candidates are fitted.
    """
    if objective.states is None:
        return None
    trial = Objective(objective.model, stretch, objective.vector, objective.dt, log=objective.log)
    try:
        with discretized(objective.model, candidate):
            residual_arrays(trial, best.z)
    except DivergenceError:
        return None
    steps = objective.model.substeps_used
    if steps < _STIFF * best.steps:
        return None
    return _Fit(candidate, best.z, better=best.candidate, steps=steps)


def _fit(
    objective: Objective,
    stretch: Observations,
    candidate: Discretization,
    start: np.ndarray,
    estimate_states: bool = False,
    tolerance: float = TOLERANCE,
) -> _Fit:
    """A candidate at its optimum on a stretch of the data, from parameters z.

    Hidden initial states are always estimated.
    """
    model, vector = objective.model, objective.vector
    before, model.discretization = model.discretization, candidate
    try:
        hidden = objective.states is not None and stretch.hides_starts
        estimate = estimate_states or hidden
        trial = Objective(model, stretch, vector, objective.dt, estimate, log=objective.log)
        begin = trial.complete(start) if hidden else without_noise(trial, trial.complete(start))
        found = gauss_newton(trial, begin, MAX_ITERATIONS, tolerance)
        residuals = [*residuals_of_end(trial, found.z), *start_residuals(trial, found.z)]
        steps = model.substeps_used
    except DivergenceError:
        return _Fit(candidate, start)
    finally:
        model.discretization = before
    z = found.z[: len(vector)]
    return _Fit(candidate, z, found.loss, residuals, trial, steps=steps)


def _whole_windows(whole: Observations, max_states: int | None = None) -> Observations:
    """Whole windows, as many as the cost allows."""
    frames, size = whole.windows[0].num_frames, whole.state_size
    affordable = max(_FEWEST_WINDOWS, MAX_VALUES // (size * frames))
    if max_states is not None:
        affordable = min(affordable, max_states // size)
    return whole.subset(min(affordable, len(whole.windows)), frames)


def _equal(fits: Sequence[_Fit], ratio: float = 1.0) -> list[_Fit]:
    """The fits that are as good as the best one, or have a loss within a ratio of its loss."""
    best = min(fits, key=lambda each: each.loss)
    equal = []
    for each in fits:
        if each.loss > _RATIO * best.loss or each.loss == inf:
            continue
        is_close = each.loss <= ratio * best.loss and each.candidate.scheme != "weno"
        if is_close or not compare(each.residuals, best.residuals).favours_b:
            equal.append(each)
    return equal


def _entry(objective: Objective, fit: _Fit) -> dict[str, Any]:
    """A candidate with its loss and parameters, in plain types."""
    entry: dict[str, Any] = {"scheme": fit.candidate.scheme, "order": fit.candidate.order}
    if fit.loss == inf:
        stiff = {} if fit.better is None else {"not_fitted": _stiffness(fit)}
        return {**entry, "loss": None, **stiff}
    vector = objective.vector
    values = vector.values(fit.z)
    named = {name: vector.by_name(values, name) for name in vector.parameters}
    entry |= {"loss": fit.loss, "parameters": named}
    if fit.better is not None:
        entry["not_fitted"] = (
            f"predicted from {fit.better.label}, whose loss is less than 1/{_HOPELESS:.0f} of it"
        )
    return entry


def _stiffness(fit: _Fit) -> str:
    assert fit.better is not None
    return (
        f"takes {fit.steps} time steps a frame, more than {_STIFF} times those of "
        f"{fit.better.label}, and initial states are estimated; to fit it, name it in "
        "model.physical.numerics"
    )


def _accuracy(scheme: Discretization) -> tuple[bool, int]:
    """Sort key of the accuracy on smooth data; WENO is about as accurate as order 4."""
    return scheme.scheme == "spectral", scheme.order or 3


def _first_tried(scheme: Discretization) -> tuple[bool, tuple[bool, int]]:
    """Sort key of the order of the fits; WENO is the last resort."""
    return scheme.scheme != "weno", _accuracy(scheme)


def candidates(model: PhysicalModel) -> Sequence[Discretization]:
    """The schemes to compare; WENO only for equations with advection.

    If an option of the equation selects the scheme, only that one.
    """
    if model.discretization.is_staggered:
        return [model.discretization]
    spec = model.spec
    advects = any(role.is_vector for role in spec.fields) or any(
        parameter.unit == "length/time" for parameter in spec.parameters.values()
    )
    found = (*CANDIDATES, SHOCK_CANDIDATE) if advects and spec.is_advective else CANDIDATES
    return [replace(each, refine=model.discretization.refine) for each in found]
