"""Calibration on a coarser grid whose errors the full one tells.

Where a solution on the full grid takes seconds, the many steps along a flat valley of the misfit
are made on a coarser grid. Its prediction c(θ) is corrected by what it lacks of the full one's f at
the last estimate, f(θ_k) − c(θ_k); the corrected misfit is minimized, and the correction made anew.
Where the estimates stop moving, the residual is that of the full grid, and the derivatives are
those of the coarse one, which differ by its discretization error. A fit on the full grid from there
ends after a step or two; a run without derivatives is what a correction costs.

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
from hybrid_pde.training.physical.minimization import Minimum, gauss_newton
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observation_times import Stop, stops_of
from hybrid_pde.training.physical.stop_residual import predicted_values
from hybrid_pde.training.physical.tangent_rollout import Tangents

# An evaluation of so many numbers (values of a state, frames, unknowns) takes seconds.
_COSTLY = 5_000_000
# The fewest points along an axis of the coarse grid, and how many times coarser it is at most.
_FEWEST, _COARSEST = 24, 8
# Fewer unknowns are found in so few evaluations that corrections would not pay.
_MANY_UNKNOWNS = 3
# Corrections at most, and evaluations between two of them.
_ROUNDS = 15
_EVALUATIONS = 15
# How often a round that made things worse is shortened to half.
_HALVINGS = 3

Key = tuple[tuple[int, ...], float]
logger = logging.getLogger(__name__)


class CorrectedObjective(Objective):
    """The misfit of a coarser grid's solution, corrected by that of the full grid at one point.

    Args:
        full: The misfit on the full grid.
        coarse: The discretization that is cheap.
    """

    def __init__(self, full: Objective, coarse: Discretization) -> None:
        super().__init__(full.model, full.observations, full.vector, full.dt, log=full.log)
        self.noise_variance = full.noise_variance
        self._coarse = coarse
        self._point: np.ndarray | None = None  # of corrections that are still to be made
        self._corrections: dict[Key, torch.Tensor] = {}

    def correct(self, z: np.ndarray) -> float:
        """Take over what the coarse solution lacks of the full one at a point.

        Returns:
            The loss there, on the full grid.

        Raises:
            DivergenceError: if a rollout leaves the finite numbers.
        """
        self._point, self._corrections, self._last = z, {}, None
        return self.linearize(z).loss

    def until(self, num_frames: int) -> "CorrectedObjective":
        """The misfit of the first frames of every window, without corrections."""
        return CorrectedObjective(super().until(num_frames), self._coarse)

    def _linearize(self, unknowns: np.ndarray) -> Values:
        """As on the full grid, but for the error of the correction and of the derivatives."""
        if self._point is not None:
            self._make_corrections(self._point)
        with self._on_coarse_grid():
            return super()._linearize(unknowns)

    def _make_corrections(self, z: np.ndarray) -> None:
        """Not before they are needed: a calibration that goes on may know what follows."""
        full = self._predictions(z)
        with self._on_coarse_grid():
            coarse = self._predictions(z)
        self._corrections = {key: full[key] - coarse[key] for key in full}
        self._point = None

    @torch.no_grad()
    def _predictions(self, z: np.ndarray) -> dict[Key, torch.Tensor]:
        """What would be observed at a point, weighted, ``[1, B, values]`` for each stop."""
        point = torch.from_numpy(np.array(z))
        tangents = Tangents(self.model, self.observations, self.vector, None)
        found = {}
        for numbers in self.observations.chunks():
            stops = stops_of(self.observations, numbers, self.dt)
            for stop, state in zip(stops, tangents.run([point], numbers, stops), strict=True):
                lifted = {name: value.unsqueeze(0) for name, value in state.items()}
                predicted = predicted_values(self.observations, numbers, stop, lifted)
                found[_key(numbers, stop)] = predicted
        return found

    def _residual(
        self, numbers: Sequence[int], stop: Stop, states: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        residual = super()._residual(numbers, stop, states)
        return residual + self._corrections.get(_key(numbers, stop), torch.zeros(()))

    @contextmanager
    def _on_coarse_grid(self) -> Iterator[None]:
        used = self.model.discretization
        self.model.discretization = self._coarse
        try:
            yield
        finally:
            self.model.discretization = used


def on_coarse_grid(objective: Objective) -> CorrectedObjective | None:
    """The misfit on a coarser grid; ``None`` where that would not pay, or does not exist.

    For central differences alone: their steps in time grow with the spacing too. Unknown initial
    states are on the full grid.
    """
    observations, used = objective.observations, objective.model.discretization
    if objective.states is not None or used.scheme != "finite_difference":
        return None
    points = [n * used.refine for n in observations.grid.shape]
    stops = sum(len(stops_of(observations, part, objective.dt)) for part in observations.chunks())
    values = observations.state_size * used.refine ** len(points)
    unknowns = len(objective.vector)
    if unknowns < _MANY_UNKNOWNS or values * stops * unknowns < _COSTLY:
        return None
    times = min(_COARSEST, *(n // _FEWEST for n in points))
    return CorrectedObjective(objective, replace(used, coarsen=times)) if times > 1 else None


def meet_on_coarse_grid(
    corrected: CorrectedObjective, start: np.ndarray, max_iterations: int, tolerance: float
) -> Minimum:
    """The minimum on the full grid, but for the error of the derivatives; never worse than a start.

    A round that makes the misfit on the full grid larger is taken half, and half again.

    Args:
        corrected: The misfit on the coarse grid.
        start: Where to start.
        max_iterations: Iterations at most between two corrections.
        tolerance: Smallest relative change of the parameters that counts.

    Returns:
        The best point, its loss on the full grid, and the points that were corrected at.

    Raises:
        DivergenceError: if the solution on either grid diverges at the start.
    """
    iterations, halvings = min(max_iterations, _EVALUATIONS), 0
    best = Minimum(start, corrected.correct(start))
    best.note(start, best.loss)
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
        best.note(z, loss)
        halvings = 0 if improved else halvings + 1
        if halvings > _HALVINGS:
            break
        z = z if improved else (z + best.z) / 2
    return best


def _is_near(z: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    return bool(np.linalg.norm(z - other) <= tolerance * np.linalg.norm(other))


def _key(numbers: Sequence[int], stop: Stop) -> Key:
    return tuple(numbers), stop.time
