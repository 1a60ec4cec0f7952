"""Trainer that calibrates the parameters of a PDE on observed fields."""

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any

import numpy as np
import torch
from phi.torch.flow import Field

from hybrid_pde.config import Experiment
from hybrid_pde.config.derived import own_parameters
from hybrid_pde.errors import ConfigError, DivergenceError
from hybrid_pde.models.physical.initial_parameters import learnable_parameters
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.result_warnings import recorded_warnings
from hybrid_pde.training import checkpoint
from hybrid_pde.training.physical.calibration_result import (
    Assessment,
    assess_estimate,
    calibration_result,
)
from hybrid_pde.training.physical.discretization_check import Refinement, discretization_shift
from hybrid_pde.training.physical.evaluation_log import EvaluationLog
from hybrid_pde.training.physical.field_trainer import FieldTrainer, Sample
from hybrid_pde.training.physical.gradient_step import GradientSteps
from hybrid_pde.training.physical.learnable_values import set_learnable
from hybrid_pde.training.physical.magnitude_search import start_of_right_magnitude
from hybrid_pde.training.physical.minimization import METHODS, history_of_point
from hybrid_pde.training.physical.minimum import (
    CONVERGED,
    DIVERGED,
    MAX_ITERATIONS,
    Minimum,
)
from hybrid_pde.training.physical.multi_start import calibrate
from hybrid_pde.training.physical.numerical_diffusion import warn_of_numerical_diffusion
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.scheme_selection import SchemeSelection, select_discretization
from hybrid_pde.training.physical.unconverged import check_steps, warn_if_unconverged

# Largest number of calibrations, where the penalty of a field was scaled by a guess far off.
_ROUNDS = 3


class PhysicalTrainer(FieldTrainer):
    """Estimates learnable parameters from windows of observed fields.

    ``gauss-newton`` and ``L-BFGS-B`` make one minimization over all windows per epoch, ``adam`` and
    ``sgd`` one step per window. Their learning rate is relative to the initial guess.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
        model: The model; its learnable parameters are set to ``learnable_params``.
        learnable_params: Initial guess, in the order of ``learnable_parameters``.

    Raises:
        ConfigError: without learnable parameters, for unknown ones, for a wrong number or shape
            of values, or for an initial guess outside its bounds.

    Attributes:
        log: Log of evaluations; with a folder, an interrupted calibration can be resumed.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | Experiment,
        model: PhysicalModel,
        learnable_params: Sequence[Any],
    ) -> None:
        super().__init__(config, model, learnable_params)
        self.settings = self.experiment.trainer_params.physical
        self.learnable = learnable_parameters(model.spec, self.experiment)
        if not self.learnable:
            raise ConfigError(
                "No 'learnable_parameters' defined in trainer_params; list what is to be "
                "estimated, e.g. [{name: viscosity, initial_guess: 0.02}]"
            )
        if own := own_parameters(self.experiment):
            raise ConfigError(
                f"trainer_params.learnable_parameters: {', '.join(own)}: per_simulation: true: a "
                "PhysicalTrainer estimates one value from all its data; run the workflow or "
                "run.py, or use TrainerFactory.create_simulation_calibrator"
            )
        set_learnable(model, list(self.learnable), self.learnable_params)
        self.vector = ParameterVector(model, self.learnable)
        section = self.experiment.model.physical
        self.dt = None if section is None else section.dt
        self.observations: Observations | None = None
        self.objective: Objective | None = None
        self._selection: SchemeSelection | None = None
        self._minimum: Minimum | None = None
        self._guess: np.ndarray | None = None
        self._steps: GradientSteps | None = None
        self._restored: dict[str, Any] | None = None
        self._previous: Mapping[str, Any] | None = None
        self.log = EvaluationLog()
        self.optimizer = self._create_optimizer()

    def train(self, data_source: Iterable[Sample], num_epochs: int) -> dict[str, Any]:
        """Estimate the parameters and set the model to the estimate.

        Args:
            data_source: Pairs ``({name: Field}, {name: [Field, …]})``; its attribute ``dt`` is
                the time between frames, by default ``model.physical.dt``.
            num_epochs: Minimizations, or passes over the windows.

        Returns:
            ``parameters`` (value, std, initial_guess, bounds, unit, determined,
            discretization_error, uncertainty, interval_90, uncertainty_parts by name),
            ``undetermined_directions``, ``status``, ``loss``,
            ``iterations``, ``numerics``, ``history``, ``warnings`` (messages), ``train_losses``,
            ``final_loss`` and ``num_epochs``.

        Raises:
            CalibrationError: for observations that are empty, not finite, or inconsistent.
            ConfigError: if dt is unknown, or the equation does not fit the data.
            DivergenceError: if a rollout is no longer finite, unless
                ``suppress_convergence_errors``; the model then keeps the best estimate.
        """
        dt = getattr(data_source, "dt", None)
        self.dt = self.dt if dt is None else float(dt)
        # A single-precision rollout has rounding errors of the size of the last steps' gains.
        precision, self.model.precision = self.model.precision, "double"
        self._minimum = None
        try:
            with recorded_warnings() as messages:
                passes = super().train(data_source, num_epochs)
                result = self._result()
            return {**result, "warnings": messages, **passes}
        finally:
            self.model.precision = precision

    def start_from(self, previous: Mapping[str, Any]) -> None:
        """Start the next training from an earlier result, with its discretization.

        Args:
            previous: The result of :meth:`train` or of ``read_result`` in
                :mod:`hybrid_pde.models.physical.parameters_file`. Parameters that it did not
                determine start at their initial guess.
        """
        used = previous["numerics"]
        self.model.discretization = Discretization(used["scheme"], used["order"], used["refine"])
        self._selection = SchemeSelection(used["candidates"])
        self._previous = previous["parameters"]

    def save_checkpoint(self, path: str) -> None:
        """Write parameters, optimizer, epoch and random states, atomically."""
        state = {
            "parameters": {name: p.detach() for name, p in self.model.named_parameters()},
            "z": torch.from_numpy(self.vector.read()),
            "optimizer": None if self.optimizer is None else self.optimizer.state_dict(),
            "epoch": self.epoch,
            "random": checkpoint.random_states(),
        }
        checkpoint.save_checkpoint(path, state, settings=self._identity())

    def load_checkpoint(self, path: str) -> None:
        """Restore the state of :meth:`save_checkpoint`.

        Raises:
            CheckpointError: if the file is damaged, or belongs to another equation or method.
        """
        state = checkpoint.load_checkpoint(path, settings=self._identity())
        self.model.set_parameters(state["parameters"])
        self._restored = state
        self._restore()
        self.epoch = state["epoch"]
        checkpoint.restore_random_states(state["random"])

    def _restore(self) -> None:
        """Set vector and optimizer from a checkpoint, once the vector has its final length."""
        state = self._restored
        if state is None or len(state["z"]) != len(self.vector):
            return  # field parameters are known only after the grid
        self.vector.write(state["z"].numpy())
        if self.optimizer is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        self._restored = None

    def _identity(self) -> dict[str, Any]:
        return {
            "equation": self.model.spec.name,
            "method": self.settings.method,
            "learnable_parameters": list(self.learnable),
            "learning_rate": self.settings.learning_rate,
        }

    def _prepare(self, data_source: Iterable[Sample]) -> Iterable[Sample]:
        if self.dt is None:
            raise ConfigError(
                "model.physical.dt: missing, and the data source has no attribute 'dt'; set the "
                "time between frames"
            )
        visibility: Any = data_source if hasattr(data_source, "readings") else None
        grid = getattr(data_source, "grid", None)
        self.observations = Observations(data_source, self.model, visibility, grid)
        vector = self.vector.on(self.observations.grid)
        if vector is not self.vector:
            grown = len(vector) != len(self.vector)
            self.vector = vector
            if grown or self._steps is None:
                self.optimizer = self._create_optimizer()
                self._restore()
            else:
                self._steps.vector = vector
        if self._previous is not None:
            self.vector.set_result(self._previous)
            self._previous = None
        self.objective = self._objective(self.observations)
        if self._selection is None:
            self._selection = SchemeSelection()
            if self.settings.method in METHODS:
                self._correct_magnitude()
            if self.model.numerics.scheme == "auto" and self.model.numerics.order is None:
                self._selection = select_discretization(self.objective)
                self.objective = self._objective(self.observations)
                optimum = self._selection.optimum
                if self.settings.method in METHODS and optimum is not None:
                    self._start_at(optimum)  # closer than the initial guess
            warn_of_numerical_diffusion(self.objective)
        return self.observations

    def _correct_magnitude(self) -> None:
        """Start elsewhere if the initial guess is off by orders of magnitude."""
        assert self.objective is not None
        guess = self.vector.read()
        start = start_of_right_magnitude(self.objective, guess)
        if start is not guess:
            self._start_at(start)

    def _start_at(self, z: np.ndarray) -> None:
        """Replace the initial guess by a better start; the history begins with the guess."""
        if self._guess is None:
            self._guess = self.vector.read()
        self.vector.write(z)

    def _objective(self, observations: Observations) -> Objective:
        assert self.dt is not None
        estimate = self.settings.initial_state == "estimate"
        return Objective(self.model, observations, self.vector, self.dt, estimate, self.log)

    def _train_epoch(self, samples: Iterable[Sample]) -> float:
        before = self.vector.read()
        if self._minimum is None:
            self._minimum = Minimum(before, inf, MAX_ITERATIONS)
        try:
            if self.settings.method in METHODS:
                return self._minimize()
            loss = super()._train_epoch(samples)
        except DivergenceError:
            best = before if self._minimum.loss == inf else self._minimum.z
            self.vector.write(best[: len(self.vector)])
            self._minimum.status = DIVERGED
            if not self.settings.suppress_convergence_errors:
                raise
            return self._minimum.loss
        after = self.vector.read()
        smallest = self.settings.abs_tol * self.vector.sizes(after)
        has_converged = np.all(np.abs(after - before) <= smallest)
        self._minimum.status = CONVERGED if has_converged else MAX_ITERATIONS
        self._minimum.add(after, loss)
        return loss

    def _minimize(self) -> float:
        assert self._minimum is not None and self.objective is not None
        if self._minimum.status == CONVERGED:
            return self._minimum.loss  # another minimization would stay where this one ended
        history = self._minimum.history
        if self._guess is not None:  # a better start replaced it
            history = history + history_of_point(self.objective, self._guess)
            self._guess = None
        seed = self.experiment.run_params.seed
        for _ in range(_ROUNDS):
            self._minimum = calibrate(self.objective, self.unknowns(), self.settings, seed)
            self._minimum.history = history = history + self._minimum.history
            z = self._minimum.z[: len(self.vector)]
            self.vector.write(z)
            if not self.vector.adopt_magnitudes(z):
                break
            assert self.observations is not None
            self.objective = self._objective(self.observations)
        return self._minimum.loss

    def unknowns(self) -> np.ndarray:
        """All unknowns: current parameters, and the initial states found last, if any."""
        assert self._minimum is not None and self.objective is not None
        z = self.vector.read()
        states = self._minimum.z[len(z) :]
        return np.concatenate([z, states]) if len(states) else self.objective.complete(z)

    def _train_sample(
        self, initial_fields: Mapping[str, Field], target_fields: Mapping[str, Sequence[Field]]
    ) -> float:
        if self._steps is None:  # a minimization over this sample only
            return float(self.train([(initial_fields, target_fields)], 1)["final_loss"])
        if self.dt is None:
            raise ConfigError("model.physical.dt: missing; set the time between frames")
        objective = self.objective
        window = getattr(initial_fields, "window", None)
        if objective is None or window is None:
            sample = Observations([(initial_fields, target_fields)], self.model)
            return self._steps.step(self._objective(sample), range(len(sample.windows)))
        return self._steps.step(objective, [window])

    def _create_optimizer(self) -> torch.optim.Optimizer | None:
        if self.settings.method in METHODS:
            return None
        if self.settings.initial_state == "estimate":
            raise ConfigError(
                f"trainer_params.physical.initial_state: estimate: {self.settings.method} learns "
                "parameters only; use gauss-newton or L-BFGS-B"
            )
        self._steps = GradientSteps(self.vector, self.settings.method, self.settings.learning_rate)
        return self._steps.optimizer

    def _result(self) -> dict[str, Any]:
        assert self.objective is not None
        refinement: Refinement | None = None
        found = Assessment(inf if self._minimum is None else self._minimum.loss)
        try:
            unknowns = self.unknowns()
            if self._minimum is not None and self.settings.method not in METHODS:
                check_steps(self.objective, self._minimum, unknowns, self.settings)
            if self._minimum is not None:
                warn_if_unconverged(self.objective, self._minimum, unknowns, self.settings)
            weigh_priors = self.vector.has_priors and self.settings.method in METHODS
            found = assess_estimate(self.objective, unknowns, found.loss, weigh_priors)
            if self.settings.check_discretization and self.settings.method == "gauss-newton":
                refinement = discretization_shift(self.objective, unknowns)
        except DivergenceError:
            if not self.settings.suppress_convergence_errors:
                raise
        selection = self._selection or SchemeSelection()
        return calibration_result(self.objective, self._minimum, found, refinement, selection)
