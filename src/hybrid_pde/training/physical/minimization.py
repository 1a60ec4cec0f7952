"""Bounded minimization of the misfit with SciPy: Gauss-Newton, and the choice of the method.

Source: Branch, Coleman and Li (1999), SIAM J. Sci. Comput. 21, 1-23 (bounded Gauss-Newton).
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import least_squares

from hybrid_pde.errors import DivergenceError
from hybrid_pde.training.physical.convergence import IRRELEVANT, ROUNDING, FullStep
from hybrid_pde.training.physical.final_step import after_final_step
from hybrid_pde.training.physical.lbfgsb import lbfgsb
from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.minimum import (
    CONVERGED,
    MAX_ITERATIONS,
    RESTARTS,
    Minimum,
    end_status,
)
from hybrid_pde.training.physical.objective import Objective

# A final step is skipped if it is below this fraction of the tolerance, since its effect remains as
# an error.
_SKIPPED = 0.1
# Windows on which the loss at the first guess is evaluated, only to be shown.
_FEW_WINDOWS = 2
# Largest number of halvings of a full step, two per trial.
_HALVINGS, _HALVINGS_PER_TRIAL = 16, 2


def gauss_newton(
    objective: Objective, z: np.ndarray, max_iterations: int, tolerance: float
) -> Minimum:
    """Bounded nonlinear least squares, one linearization per step.

    If the rollout diverges at a trial point, the residual is infinite and SciPy shrinks the trust
    region. SciPy's own convergence counts only where the full step is negligible; elsewhere the
    minimization goes on from a point along that step.

    Args:
        objective: The objective.
        z: All unknowns to start from.
        max_iterations: Largest number of steps.
        tolerance: Relative change of the parameters at convergence; 0 for rounding.

    Raises:
        DivergenceError: if the rollout diverges at the start.
    """
    if objective.states is not None and not objective.states.is_dense:
        return _with_states_eliminated(objective, z, max_iterations, tolerance)
    trials = _Trials(objective, z, tolerance)
    trials.found.status = MAX_ITERATIONS
    for _ in range(RESTARTS):
        left = max_iterations + 1 - trials.num_evaluations
        if left <= 0 or not trials.descend(z, left):
            break
        objective.reuse(trials.best)
        status, step = end_status(objective, trials.best, tolerance)
        if status == CONVERGED:
            trials.found.status = CONVERGED
            break
        lower = trials.along(step, max_iterations)
        if lower is None:
            trials.found.status = status or CONVERGED
            break
        z = lower
    objective.reuse(trials.best)
    return trials.found


def _with_states_eliminated(
    objective: Objective, z: np.ndarray, max_iterations: int, tolerance: float
) -> Minimum:
    """The same where a linearization costs many rollouts: steps are halved until the loss falls."""
    assert objective.states is not None
    objective.states.check_size(len(objective.vector))
    at = objective.linearize(z)
    found = Minimum(at.z, at.loss, MAX_ITERATIONS)
    found.add(at.z, at.loss)
    lower, upper = objective.bounds()
    least = max(ROUNDING, IRRELEVANT / objective.num_values)
    shortest = tolerance * objective.vector.sizes(z)[: len(objective.vector)]
    for _ in range(max_iterations):
        status, full = end_status(objective, at, tolerance)
        # The first step that is negligible is taken, too.
        if status == CONVERGED:
            if found.status == CONVERGED or _ends_here(at, least, shortest):
                found.status = CONVERGED
                break
            found.status = CONVERGED
        step, before = at.steps(len(objective.vector), full.step), found.loss
        for halvings in range(_HALVINGS):
            point = np.clip(at.z + step / 2**halvings, lower, upper)
            try:
                found.add(point, objective.loss(point))
            except DivergenceError:
                continue
            if found.loss < before:
                break
        else:
            found.status = status or CONVERGED
            break
        at = objective.linearize(found.z)
    objective.reuse(at)
    return found


class _Trials:
    """Evaluated points of a Gauss-Newton minimization.

    Args:
        objective: The objective.
        z: The start.
        tolerance: Relative change of the parameters at convergence.

    Attributes:
        best: Linearization at the best point.
        found: The best point and the history.
        num_evaluations: Number of linearizations after that of the start.
    """

    def __init__(self, objective: Objective, z: np.ndarray, tolerance: float) -> None:
        self._objective, self._tolerance = objective, tolerance
        self._least = max(ROUNDING, IRRELEVANT / objective.num_values)
        self.best: Linearization = objective.linearize(z)
        self._at = self.best
        self.found = Minimum(self.best.z, self.best.loss)
        self.found.add(self.best.z, self.best.loss)
        self.num_evaluations = 0

    def descend(self, z: np.ndarray, max_evaluations: int) -> bool:
        """Minimize from a point; whether SciPy ended before the last evaluation allowed."""
        try:
            result = least_squares(
                self._residual,
                z,
                jac=self._jacobian,
                bounds=self._objective.bounds(),
                method="trf",
                x_scale="jac",
                xtol=self._tolerance or None,
                ftol=self._least,
                gtol=None,
                max_nfev=max_evaluations,
            )
        except _ConvergedError:
            return True
        return bool(result.status != 0)

    def along(self, step: FullStep, max_iterations: int) -> np.ndarray | None:
        """A point along a step from the best point with a lower loss; ``None`` without one."""
        start, loss = self.best.z, self.best.loss
        lower, upper = self._objective.bounds()
        for halvings in range(0, _HALVINGS, _HALVINGS_PER_TRIAL):
            if self.num_evaluations >= max_iterations:
                return None
            z = np.clip(start + step.step / 2**halvings, lower, upper)
            self._residual(z)
            if self.best.loss < loss:
                return self.best.z
        return None

    def _residual(self, z: np.ndarray) -> np.ndarray:
        if not np.array_equal(z, self._at.z):
            self.num_evaluations += 1
            try:
                trial = self._objective.linearize(z)
            except DivergenceError:
                return np.full(len(self._at.residual), np.inf)
            self.found.add(trial.z, trial.loss)
            self._at = trial
            self.best = trial if trial.loss < self.best.loss else self.best
        return self._at.residual

    def _jacobian(self, z: np.ndarray) -> np.ndarray:
        # R is unique only up to a rotation: residual and Jacobian must be of one evaluation.
        if not np.array_equal(z, self._at.z):
            self._residual(z)
        # Called at accepted points. SciPy would evaluate the next step before it detects
        # convergence.
        shortest = self._tolerance * self._objective.vector.sizes(z)
        if _ends_here(self._at, self._least, shortest):
            raise _ConvergedError
        limits = _SKIPPED * shortest, _SKIPPED**2 * self._least
        end = after_final_step(self._objective, self._at, *limits)
        if end is not None:
            self.found.add(end.z, end.loss)
            self.best = end if end.loss < self.best.loss else self.best
            raise _ConvergedError
        return self._at.jacobian


class _ConvergedError(Exception):
    """The minimization has converged; ends SciPy's iteration."""


def _ends_here(at: Linearization, least: float, shortest: np.ndarray) -> bool:
    """True if the full Gauss-Newton step reduces the loss by less than ``least``, or is too short.

    Also true if the Jacobian or the residual is zero, so that there is no step.
    """
    if not at.jacobian.any() or not at.residual.any():
        return True
    step = np.linalg.lstsq(at.jacobian, -at.residual, rcond=None)[0]
    gain = float(np.sum((at.jacobian @ step) ** 2) / np.sum(at.residual**2))
    return gain <= _SKIPPED**2 * least or bool(np.all(np.abs(step) <= _SKIPPED * shortest))


def history_of_point(objective: Objective, z: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """The history of one evaluation at parameters z, on a few windows; empty if it diverges."""
    observations = objective.observations
    if len(observations.windows) > _FEW_WINDOWS:
        few = observations.subset(_FEW_WINDOWS, observations.windows[0].num_frames)
        objective = objective.of(few)
    try:
        return [(z, objective.loss(objective.complete(z)))]
    except DivergenceError:
        return []


METHODS: dict[str, Callable[[Objective, np.ndarray, int, float], Minimum]] = {
    "gauss-newton": gauss_newton,
    "L-BFGS-B": lbfgsb,
}
