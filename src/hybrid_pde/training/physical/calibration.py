"""Calibration of a model on observed data, from the first start to the result."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

import numpy as np

from hybrid_pde.config.schema import PhysicalTraining
from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.progress import begin_phase, counted_steps
from hybrid_pde.result_warnings import recorded_warnings
from hybrid_pde.training.physical.calibration_result import (
    Assessment,
    CalibrationResult,
    assess_estimate,
    calibration_result,
)
from hybrid_pde.training.physical.discretization_check import Refinement, discretization_shift
from hybrid_pde.training.physical.evaluation_log import EvaluationLog
from hybrid_pde.training.physical.gradient_step import GradientSteps
from hybrid_pde.training.physical.magnitude_search import start_of_right_magnitude
from hybrid_pde.training.physical.minimization import METHODS, history_of_point
from hybrid_pde.training.physical.minimum import (
    CONVERGED,
    DIVERGED,
    MAX_ITERATIONS,
    Minimum,
)
from hybrid_pde.training.physical.multi_start import minimize_from_all_starts
from hybrid_pde.training.physical.numerical_diffusion import warn_of_numerical_diffusion
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observation_window import ObservedData
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.profile_likelihood import profiles
from hybrid_pde.training.physical.scheme_selection import SchemeSelection, select_discretization
from hybrid_pde.training.physical.unconverged import check_steps, warn_if_unconverged

# Largest number of calibrations, where the penalty of a field was scaled by a guess far off.
_ROUNDS = 3


@dataclass(frozen=True)
class CalibrationOptions:
    """Options of a calibration.

    Attributes:
        settings: Section ``trainer_params.physical``.
        dt: Time between frames [time].
        num_epochs: Minimizations, or passes over the windows.
        seed: Seed of further starts.
        selection: Comparison of schemes that chose the model's; ``None`` if none was made yet.
        steps: Optimizer of ``adam`` and ``sgd``.
        train_window: Replaces its step on a window; takes the objective and the number of the
            window, returns the loss.
        log: Log of evaluations.
        can_estimate_states: Whether the experiment may set ``initial_state: estimate``.
    """

    settings: PhysicalTraining
    dt: float
    num_epochs: int = 1
    seed: int = 0
    selection: SchemeSelection | None = None
    steps: GradientSteps | None = None
    train_window: Callable[[Objective, int], float] | None = None
    log: EvaluationLog = field(default_factory=EvaluationLog)
    can_estimate_states: bool = True

    @property
    def minimizes(self) -> bool:
        """True if the method is a minimization over all windows."""
        return self.settings.method in METHODS


@dataclass(frozen=True)
class Calibration:
    """A finished calibration.

    Attributes:
        result: What it found.
        observations: The observations.
        objective: The misfit, its model at the estimate.
        minimum: End of the minimization; ``None`` without epochs.
        selection: The comparison of schemes.
    """

    result: CalibrationResult
    observations: Observations
    objective: Objective
    minimum: Minimum | None
    selection: SchemeSelection

    def unknowns(self) -> np.ndarray:
        """All unknowns: current parameters, and the initial states found last, if any."""
        return _unknowns(self.objective, self.minimum)


def calibrate(
    model: PhysicalModel,
    vector: ParameterVector,
    data: ObservedData,
    options: CalibrationOptions,
) -> Calibration:
    """Estimate the parameters of a model, which is left at the estimate, in double precision.

    Args:
        model: The model.
        vector: Its learnable parameters, on the grid of the data.
        data: The observed data.
        options: Method, tolerances, and what an earlier calibration left.

    Raises:
        CalibrationError: if nothing is observed.
        DivergenceError: if a rollout is no longer finite, unless
            ``suppress_convergence_errors``; the model then keeps the best estimate.
    """
    # A single-precision rollout has rounding errors of the size of the last steps' gains.
    precision, model.precision = model.precision, "double"
    try:
        with recorded_warnings() as messages, counted_steps("choosing start and scheme"):
            misfit = _Misfit(model, vector, Observations(data), options)
            selection, guess = _choose_start_and_scheme(misfit)
            minimum, losses = None, []
            begin_phase("calibrating", options.settings.max_iterations)
            for _ in range(options.num_epochs):
                minimum = minimum or Minimum(vector.read(), inf, MAX_ITERATIONS)
                losses.append(_epoch(misfit, minimum, guess))
                guess = None
            begin_phase("estimating the uncertainty")
            result = _result(misfit, minimum, selection)
        result = replace(result, warnings=messages, train_losses=losses)
        return Calibration(result, misfit.observations, misfit.objective, minimum, selection)
    finally:
        model.precision = precision


class _Misfit:
    """The objective of a calibration, which is remade when scheme or scales change.

    Attributes:
        vector: The learnable parameters.
        observations: The observations.
        objective: The objective.
        options: Options of the calibration.
    """

    def __init__(
        self,
        model: PhysicalModel,
        vector: ParameterVector,
        observations: Observations,
        options: CalibrationOptions,
    ) -> None:
        self._model, self.vector, self.observations = model, vector, observations
        self.options = options
        self.renew()

    def renew(self) -> None:
        """Forget what was computed with another scheme or other scales."""
        estimate = self.options.settings.initial_state == "estimate"
        self.objective = Objective(
            self._model,
            self.observations,
            self.vector,
            self.options.dt,
            estimate,
            self.options.log,
        )


def _choose_start_and_scheme(misfit: _Misfit) -> tuple[SchemeSelection, np.ndarray | None]:
    """The comparison of schemes, and the initial guess if a better start replaced it.

    There is nothing to choose after an earlier calibration.
    """
    options, vector = misfit.options, misfit.vector
    if options.selection is not None:
        return options.selection, None
    numerics, selection, replaced = misfit.objective.model.numerics, SchemeSelection(), None
    if options.minimizes:
        guess = vector.read()
        start = start_of_right_magnitude(misfit.objective, guess)
        if start is not guess:
            replaced = vector.read()
            vector.write(start)
    if numerics.scheme == "auto" and numerics.order is None:
        selection = select_discretization(misfit.objective)
        misfit.renew()
        if options.minimizes and selection.optimum is not None:  # closer than the initial guess
            replaced = vector.read() if replaced is None else replaced
            vector.write(selection.optimum)
    warn_of_numerical_diffusion(misfit.objective)
    return selection, replaced


def _epoch(misfit: _Misfit, minimum: Minimum, guess: np.ndarray | None) -> float:
    """One minimization, or one pass over the windows; updates the minimum, returns the loss."""
    vector, options = misfit.vector, misfit.options
    before = vector.read()
    try:
        if options.minimizes:
            return _minimize(misfit, minimum, guess)
        return _pass_over_windows(misfit, minimum)
    except DivergenceError:
        best = before if minimum.loss == inf else minimum.z
        vector.write(best[: len(vector)])
        minimum.status = DIVERGED
        if not options.settings.suppress_convergence_errors:
            raise
        return minimum.loss


def _minimize(misfit: _Misfit, minimum: Minimum, guess: np.ndarray | None) -> float:
    if minimum.status == CONVERGED:
        return minimum.loss  # another minimization would stay where this one ended
    vector, options = misfit.vector, misfit.options
    if guess is not None:  # a better start replaced it
        minimum.history = minimum.history + history_of_point(misfit.objective, guess)
    for _ in range(_ROUNDS):
        start = _unknowns(misfit.objective, minimum)
        found = minimize_from_all_starts(misfit.objective, start, options.settings, options.seed)
        minimum.z, minimum.loss, minimum.status = found.z, found.loss, found.status
        minimum.history = minimum.history + found.history
        z = found.z[: len(vector)]
        vector.write(z)
        if not vector.adopt_magnitudes(z):
            break
        misfit.renew()
    return minimum.loss


def _pass_over_windows(misfit: _Misfit, minimum: Minimum) -> float:
    """One step of the optimizer for each window; returns the mean loss."""
    steps, vector, objective = misfit.options.steps, misfit.vector, misfit.objective
    assert steps is not None
    before = vector.read()
    train = misfit.options.train_window or (lambda whole, number: steps.step(whole, [number]))
    losses = [train(objective, number) for number in range(len(objective.observations.windows))]
    after, loss = vector.read(), sum(losses) / len(losses)
    smallest = misfit.options.settings.abs_tol * vector.sizes(after)
    has_converged = np.all(np.abs(after - before) <= smallest)
    minimum.status = CONVERGED if has_converged else MAX_ITERATIONS
    minimum.add(after, loss)
    return loss


def _result(
    misfit: _Misfit, minimum: Minimum | None, selection: SchemeSelection
) -> CalibrationResult:
    """Uncertainty, warnings and discretization error at the estimate."""
    objective, settings = misfit.objective, misfit.options.settings
    refinement: Refinement | None = None
    found = Assessment(inf if minimum is None else minimum.loss)
    try:
        unknowns = _unknowns(objective, minimum)
        if minimum is not None and not misfit.options.minimizes:
            check_steps(objective, minimum, unknowns, settings)
        if minimum is not None:
            warn_if_unconverged(objective, minimum, unknowns, settings)
        weigh_priors = misfit.vector.has_priors and misfit.options.minimizes
        found = assess_estimate(objective, unknowns, found.loss, weigh_priors)
        if settings.check_discretization and settings.method == "gauss-newton":
            refinement = discretization_shift(objective, unknowns)
    except DivergenceError:
        if not settings.suppress_convergence_errors:
            raise
    result = calibration_result(
        objective, minimum, found, refinement, selection, misfit.options.can_estimate_states
    )
    assessed = minimum is not None and found.uncertainty is not None
    if settings.uncertainty == "profile" and assessed:
        curves = profiles(objective, unknowns, result.parameters)
        result = replace(result, profiles=curves)
    return result


def _unknowns(objective: Objective, minimum: Minimum | None) -> np.ndarray:
    z = objective.vector.read()
    states = z[:0] if minimum is None else minimum.z[len(z) :]
    return np.concatenate([z, states]) if len(states) else objective.complete(z)
