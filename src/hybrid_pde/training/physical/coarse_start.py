"""Calibration on a coarse grid with corrections from the full grid (space mapping).

If a solution on the full grid takes seconds, most optimizer steps are made on a coarse grid. The
coarse prediction c(θ) is corrected by its difference from the prediction f of the full grid at the
last estimate, f(θ_k) − c(θ_k). The corrected misfit is minimized, and the correction is recomputed.
When the estimates converge, the residual is that of the full grid; the derivatives are those of the
coarse grid and differ by its discretization error. A final fit on the full grid then needs one or
two steps. A correction costs one rollout without derivatives on each grid.

Sources: Bandler et al. (2004), IEEE Trans. Microwave Theory Tech. 52, 337-361 (space mapping);
Stetter (1978), Numer. Math. 29, 425-443 (defect correction).

Layout of native tensors: ``B`` windows.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from hybrid_pde.errors import DivergenceError
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training.physical.evaluation_log import Values
from hybrid_pde.training.physical.minimization import gauss_newton
from hybrid_pde.training.physical.minimum import (
    Minimum,
)
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observation_times import ObservationTime, observation_times
from hybrid_pde.training.physical.residual import predicted_values
from hybrid_pde.training.physical.tangent_rollout import TangentRollout

# Size (state values × frames × unknowns) from which an evaluation takes seconds.
_COSTLY_SIZE = 5_000_000
# Smallest number of points along an axis of the coarse grid, and largest coarsening.
_SMALLEST_NUM_POINTS, _LARGEST_COARSENING = 24, 8
# Number of unknowns from which corrections are worth their cost.
_MANY_UNKNOWNS = 3
# Largest number of corrections, and of evaluations between two corrections.
_ROUNDS = 15
_EVALUATIONS = 15
# Largest number of times that a step is halved after an increase of the loss.
_HALVINGS = 3

Key = tuple[tuple[int, ...], float]
logger = logging.getLogger(__name__)


class CorrectedObjective(Objective):
    """The misfit on a coarse grid, corrected by the full grid at one point.

    Args:
        full: The misfit on the full grid.
        coarse: The coarse discretization.
    """

    def __init__(self, full: Objective, coarse: Discretization) -> None:
        super().__init__(full.model, full.observations, full.vector, full.dt, log=full.log)
        self.noise_variance = full.noise_variance
        self._coarse = coarse
        self._point: np.ndarray | None = None  # of corrections not yet computed
        self._corrections: dict[Key, torch.Tensor] = {}

    def correct(self, z: np.ndarray) -> float:
        """Set the corrections to those at a point.

        Returns:
            The loss at the point on the full grid.

        Raises:
            DivergenceError: if a rollout is no longer finite.
        """
        self._point, self._corrections, self._last = z, {}, None
        return self.linearize(z).loss

    def until(self, num_frames: int) -> "CorrectedObjective":
        """The misfit of the first frames of every window, without corrections."""
        return CorrectedObjective(super().until(num_frames), self._coarse)

    def _linearize(self, unknowns: np.ndarray) -> Values:
        """Corrected residual of the full grid with the derivatives of the coarse grid."""
        if self._point is not None:
            self._compute_corrections(self._point)
        with self._on_coarse_grid():
            return super()._linearize(unknowns)

    def _compute_corrections(self, z: np.ndarray) -> None:
        """Computed only when needed: a resumed calibration may replay the log instead."""
        full = self._predictions(z)
        with self._on_coarse_grid():
            coarse = self._predictions(z)
        self._corrections = {key: full[key] - coarse[key] for key in full}
        self._point = None

    @torch.no_grad()
    def _predictions(self, z: np.ndarray) -> dict[Key, torch.Tensor]:
        """Weighted predictions at a point, ``[1, B, values]`` for each observation time."""
        point = torch.from_numpy(np.array(z))
        tangents = TangentRollout(self.model, self.observations, self.vector, None)
        found = {}
        for numbers in self.observations.chunks():
            instants = observation_times(self.observations, numbers, self.dt)
            for instant, state in zip(
                instants, tangents.run([point], numbers, instants), strict=True
            ):
                lifted = {name: value.unsqueeze(0) for name, value in state.items()}
                predicted = predicted_values(self.observations, numbers, instant, lifted)
                found[_key(numbers, instant)] = predicted
        return found

    def _residual(
        self, numbers: Sequence[int], instant: ObservationTime, states: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        residual = super()._residual(numbers, instant, states)
        return residual + self._corrections.get(_key(numbers, instant), torch.zeros(()))

    @contextmanager
    def _on_coarse_grid(self) -> Iterator[None]:
        used = self.model.discretization
        self.model.discretization = self._coarse
        try:
            yield
        finally:
            self.model.discretization = used


def on_coarse_grid(objective: Objective) -> CorrectedObjective | None:
    """The misfit on a coarse grid; ``None`` if it is not worthwhile or not possible.

    Only for central differences, for which the time step grows with the spacing too, and not with
    estimated initial states, which live on the full grid.
    """
    observations, used = objective.observations, objective.model.discretization
    if objective.states is not None or used.scheme != "finite_difference":
        return None
    points = [n * used.refine for n in observations.grid.shape]
    instants = sum(
        len(observation_times(observations, part, objective.dt)) for part in observations.chunks()
    )
    values = observations.state_size * used.refine ** len(points)
    unknowns = len(objective.vector)
    if unknowns < _MANY_UNKNOWNS or values * instants * unknowns < _COSTLY_SIZE:
        return None
    times = min(_LARGEST_COARSENING, *(n // _SMALLEST_NUM_POINTS for n in points))
    return CorrectedObjective(objective, replace(used, coarsen=times)) if times > 1 else None


def minimize_on_coarse_grid(
    corrected: CorrectedObjective, start: np.ndarray, max_iterations: int, tolerance: float
) -> Minimum:
    """Approximate minimum on the full grid; its loss is never larger than that of the start.

    A step that increases the loss on the full grid is halved repeatedly.

    Args:
        corrected: The misfit on the coarse grid.
        start: The start, z.
        max_iterations: Largest number of iterations between two corrections.
        tolerance: Relative change of the parameters at convergence.

    Returns:
        The best point, its loss on the full grid, and the points of all corrections.

    Raises:
        DivergenceError: if the solution on either grid diverges at the start.
    """
    iterations, halvings = min(max_iterations, _EVALUATIONS), 0
    best = Minimum(start, corrected.correct(start))
    best.add(start, best.loss)
    z = start
    for number in range(_ROUNDS):
        if not halvings:
            z = gauss_newton(corrected, best.z, iterations, tolerance).z
        if _is_near(z, best.z, tolerance):
            break
        try:
            loss = corrected.correct(z)
        except DivergenceError:
            loss = np.inf
        logger.info("coarse grid, correction %d: loss %.3g", number + 1, loss)
        improved = loss < best.loss
        best.add(z, loss)
        halvings = 0 if improved else halvings + 1
        if halvings > _HALVINGS:
            break
        z = z if improved else (z + best.z) / 2
    return best


def _is_near(z: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    return bool(np.linalg.norm(z - other) <= tolerance * np.linalg.norm(other))


def _key(numbers: Sequence[int], instant: ObservationTime) -> Key:
    return tuple(numbers), instant.time
