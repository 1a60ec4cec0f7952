"""Joint calibration of parameters that all simulations share and parameters of each simulation.

The matrix of the normal equations is an arrow: a simulation's own parameters are coupled to the
shared ones only. They are eliminated from each simulation's linearization, so a Gauss-Newton step
costs one linearization of each simulation and a least-squares problem of the shared ones.

Source: Golub and Pereyra (2003), Inverse Problems 19, R1-R26, on separable least squares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hybrid_pde.config.derived import own_parameters, shared_parameters
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.errors import CalibrationError, DivergenceError
from hybrid_pde.models.physical.initial_parameters import learnable_parameters
from hybrid_pde.training.physical.added_uncertainty import add_uncertainty
from hybrid_pde.training.physical.arrow import Arrow, eliminate, shared_step
from hybrid_pde.training.physical.minimum import CONVERGED, MAX_ITERATIONS, STALLED
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.per_simulation import FAILED, Estimate, SimulationCalibrator
from hybrid_pde.training.physical.physical_trainer import PhysicalTrainer
from hybrid_pde.training.physical.shared_uncertainty import SharedFit, shared_report

# Halvings of a joint step before the minimization counts as stalled.
_HALVINGS = 8
# Relative decrease of the loss that is rounding.
_ROUNDING = 1e-10


@dataclass
class _Block:
    """One simulation's part of the joint problem.

    Attributes:
        objective: Its misfit as a function of all learnable parameters.
        z: Its point, all learnable parameters.
    """

    objective: Objective
    z: np.ndarray


class JointCalibration:
    """Estimates shared parameters and those of each simulation together.

    Simulations are calibrated one by one with the shared parameters at their start, then all
    together, then one by one with the shared ones at their estimate, which gives the uncertainty;
    that of the shared ones is added.

    Args:
        experiment: Section ``trainer_params`` with learnable parameters of both kinds.
        store: The simulations.
    """

    def __init__(self, experiment: Experiment, store: SimulationStore) -> None:
        self._experiment = experiment
        self._calibrator = SimulationCalibrator(experiment, store)
        self._tolerance = experiment.trainer_params.physical.abs_tol
        self._max_iterations = experiment.trainer_params.physical.max_iterations
        self._blocks: dict[int, _Block] = {}
        self._history: list[dict[str, Any]] = []

    def run(self, indices: Sequence[int]) -> tuple[list[Estimate], dict[str, Any]]:
        """Calibrate.

        Args:
            indices: All simulations; the shared parameters are estimated on the training ones.

        Returns:
            The estimate of every simulation, and the shared parameters as in ``parameters.yaml``,
            with ``status`` and ``history``.

        Raises:
            CalibrationError: if no training simulation can be calibrated.
        """
        calibrator = self._calibrator
        calibrator.select_scheme()
        calibrator.shared = self._start()
        training = self._experiment.trainer_params.physical.train_sim
        first = [self._add_block(index) for index in training]
        if not self._blocks:
            raise CalibrationError(
                f"trainer_params.train_sim: {training}: no simulation can be calibrated; "
                f"simulation {training[0]}: {first[0]['error']}"
            )
        status = self._minimize()
        fit = self._fit()
        calibrator.shared = self._values()
        estimates = []
        responses = {}
        for index in indices:
            estimates.append(calibrator.calibrate(index))
            if estimates[-1]["status"] != FAILED:
                assert calibrator.trainer is not None
                responses[index] = self._response(calibrator.trainer)
        report, covariance = shared_report(fit, estimates)
        for estimate in estimates:
            if estimate["simulation"] in responses:
                _add_shared_part(estimate, responses[estimate["simulation"]], covariance)
        return estimates, {"parameters": report, "status": status, "history": self._history}

    def _start(self) -> dict[str, torch.Tensor]:
        """Shared values to start from: those of the reference, else the initial guess."""
        names = shared_parameters(self._experiment)
        found = (self._calibrator.reference or {}).get("parameters", {})
        return {
            name: torch.as_tensor(found[name]["value"], dtype=torch.float64)
            if name in found and found[name]["value"] is not None
            else self._calibrator.initial[name]
            for name in names
        }

    def _add_block(self, index: int) -> Estimate:
        """Calibrate a simulation, and keep its part of the joint problem unless that fails."""
        found = self._calibrator.calibrate(index)
        if found["status"] != FAILED:
            assert self._calibrator.trainer is not None
            objective = self._objective(self._calibrator.trainer)
            self._blocks[index] = _Block(objective, objective.vector.read())
        return found

    def _objective(self, trainer: PhysicalTrainer) -> Objective:
        """The misfit of a trainer's simulation as a function of all learnable parameters."""
        model = trainer.model
        present = {name: value.detach().clone() for name, value in model.named_parameters()}
        assert trainer.observations is not None and trainer.dt is not None
        learnable = learnable_parameters(model.spec, self._experiment)
        guess = {name: self._calibrator.initial[name] for name in learnable}
        model.set_parameters({name: guess[name].expand(present[name].shape) for name in learnable})
        vector = ParameterVector(model, learnable, trainer.observations.grid, guess)
        model.set_parameters(present)
        estimate = trainer.settings.initial_state == "estimate"
        return Objective(model, trainer.observations, vector, trainer.dt, estimate)

    def _positions(self, vector: ParameterVector) -> tuple[list[int], list[int]]:
        """Entries of the own and of the shared parameters."""
        own = set(own_parameters(self._experiment))
        places = range(len(vector))
        return (
            [entry for entry in places if vector.names[entry] in own],
            [entry for entry in places if vector.names[entry] not in own],
        )

    def _linearize(self, block: _Block, z: np.ndarray) -> Arrow:
        model, objective = block.objective.model, block.objective
        precision, model.precision = model.precision, "double"
        try:
            at = objective.linearize(objective.complete(z))
        finally:
            model.precision = precision
        return eliminate(
            *at.of_parameters(len(objective.vector)), *self._positions(objective.vector)
        )

    def _minimize(self) -> str:
        """Joint Gauss-Newton steps, halved until the loss decreases; the status at the end."""
        blocks = list(self._blocks.values())
        arrows = [self._linearize(block, block.z) for block in blocks]
        self._note(arrows)
        for _ in range(self._max_iterations):
            steps = self._steps(blocks, arrows)
            moved = self._moved(blocks, steps)
            sizes = [block.objective.vector.sizes(block.z) for block in blocks]
            if all(
                np.all(np.abs(new - block.z) <= self._tolerance * size)
                for new, block, size in zip(moved, blocks, sizes, strict=True)
            ):
                return CONVERGED
            lower = self._lower(blocks, arrows, steps)
            if lower is None:
                return STALLED
            before, (points, after) = sum(each.squares for each in arrows), lower
            for block, point in zip(blocks, points, strict=True):
                block.z = point
            arrows = after
            self._note(arrows)
            if before - sum(each.squares for each in arrows) <= _ROUNDING * before:
                return CONVERGED
        return MAX_ITERATIONS

    def _steps(self, blocks: Sequence[_Block], arrows: Sequence[Arrow]) -> list[np.ndarray]:
        """The Gauss-Newton step of every simulation's parameters; the shared ones move alike."""
        common = shared_step(arrows)
        steps = []
        for block, arrow in zip(blocks, arrows, strict=True):
            own, shared = self._positions(block.objective.vector)
            step = np.zeros(len(block.z))
            step[own], step[shared] = arrow.own_step(common), common
            steps.append(step)
        return steps

    @staticmethod
    def _moved(
        blocks: Sequence[_Block], steps: Sequence[np.ndarray], share: float = 1.0
    ) -> list[np.ndarray]:
        """The points after a share of the steps, within the bounds."""
        return [
            np.clip(
                block.z + share * step, block.objective.vector.lower, block.objective.vector.upper
            )
            for block, step in zip(blocks, steps, strict=True)
        ]

    def _lower(
        self, blocks: Sequence[_Block], arrows: Sequence[Arrow], steps: Sequence[np.ndarray]
    ) -> tuple[list[np.ndarray], list[Arrow]] | None:
        """Points along the steps with a lower loss, and their linearizations."""
        before = sum(each.squares for each in arrows)
        for halvings in range(_HALVINGS):
            points = self._moved(blocks, steps, 0.5**halvings)
            try:
                found = [self._linearize(b, z) for b, z in zip(blocks, points, strict=True)]
            except DivergenceError:
                continue
            if sum(each.squares for each in found) < before:
                return points, found
        return None

    def _note(self, arrows: Sequence[Arrow]) -> None:
        """Add a row to the history."""
        blocks = list(self._blocks.values())
        count = sum(block.objective.num_values for block in blocks)
        first = blocks[0]
        _, shared = self._positions(first.objective.vector)
        values = first.objective.vector.values(first.z)
        labels = first.objective.vector.labels
        self._history.append(
            {
                "iteration": len(self._history),
                "loss": sum(each.squares for each in arrows) / count,
                **{labels[entry]: float(values[entry]) for entry in shared},
            }
        )

    def _values(self) -> dict[str, torch.Tensor]:
        """The shared parameters at the estimate."""
        first = next(iter(self._blocks.values()))
        decoded = first.objective.vector.decode(torch.from_numpy(first.z))
        return {name: decoded[name].detach() for name in shared_parameters(self._experiment)}

    def _response(self, trainer: PhysicalTrainer) -> np.ndarray:
        """∂ own / ∂ shared of a simulation at its estimate, in physical units."""
        objective = self._objective(trainer)
        z = objective.vector.read()
        arrow = self._linearize(_Block(objective, z), z)
        own, shared = self._positions(objective.vector)
        slopes = objective.vector.slopes(z)
        return np.asarray(slopes[own, None] * arrow.response / slopes[None, shared])

    def _fit(self) -> SharedFit:
        """The joint calibration at its estimate."""
        blocks = list(self._blocks.values())
        vector = blocks[0].objective.vector
        return SharedFit(
            vector,
            blocks[0].z,
            self._positions(vector)[1],
            [self._linearize(block, block.z) for block in blocks],
            sum(block.objective.num_values for block in blocks),
        )


def _add_shared_part(estimate: Estimate, response: np.ndarray, covariance: np.ndarray) -> None:
    """Add the uncertainty of the shared parameters to that of a simulation's own."""
    added = np.sqrt(np.diag(response @ covariance @ response.T))
    place = 0
    for parameter in estimate["parameters"].values():
        size = np.size(parameter["initial_guess"])
        if parameter.get("uncertainty") is not None:
            add_uncertainty(parameter, added[place : place + size], ("std", "uncertainty"))
        place += size
