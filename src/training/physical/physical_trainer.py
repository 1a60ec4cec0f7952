"""Calibration: the parameters of a PDE from observed fields."""

import itertools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any

import numpy as np
import torch
from phi.torch.flow import Field

from src.config import Experiment
from src.errors import CalibrationError, ConfigError, DivergenceError
from src.models.physical.parameter_values import learnable_parameters
from src.models.physical.physical_model import PhysicalModel
from src.models.physical.roles import match_roles
from src.training import checkpoint
from src.training.field_trainer import FieldTrainer, Sample
from src.training.physical import gradient_step
from src.training.physical.learnable_values import set_learnable
from src.training.physical.minimization import CONVERGED, DIVERGED, MAX_ITERATIONS, METHODS, Minimum
from src.training.physical.objective import Objective
from src.training.physical.observations import Observations
from src.training.physical.parameter_vector import ParameterVector
from src.training.physical.result import (
    history_row,
    numerics_report,
    parameter_report,
    undetermined_directions,
)
from src.training.physical.scheme_selection import select_discretization
from src.training.physical.uncertainty import Uncertainty, assess


class PhysicalTrainer(FieldTrainer):
    """Estimates learnable parameters from windows of observed fields.

    ``gauss-newton`` and ``L-BFGS-B`` make one minimization over all windows an epoch, ``adam`` and
    ``sgd`` one step a window; their learning rate is relative to the initial guess.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
        model: The model; its learnable parameters are set to ``learnable_params``.
        learnable_params: Where to start, in the order of ``learnable_parameters``.

    Raises:
        ConfigError: without learnable parameters, for unknown ones, for a wrong number or shape
            of values, or an initial guess outside its bounds.
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
        set_learnable(model, list(self.learnable), self.learnable_params)
        self.vector = ParameterVector(model, self.learnable)
        section = self.experiment.model.physical
        self.dt = None if section is None else section.dt
        self.observations: Observations | None = None
        self.objective: Objective | None = None
        self._candidates: list[dict[str, Any]] | None = None
        self._minimum: Minimum | None = None
        self._guess: np.ndarray | None = None
        self.optimizer = self._create_optimizer()

    def train(self, data_source: Iterable[Sample], num_epochs: int) -> dict[str, Any]:
        """Estimate the parameters; afterwards the model holds the estimate.

        Args:
            data_source: Pairs ``({name: Field}, {name: [Field, …]})``; its attribute ``dt`` is
                the time between frames, ``model.physical.dt`` where it has none.
            num_epochs: Minimizations, or passes over the windows.

        Returns:
            ``parameters`` (value, std, initial_guess, bounds, unit, determined,
            discretization_error by name), ``undetermined_directions``, ``status``, ``loss``,
            ``iterations``, ``numerics``, ``history``, ``train_losses``, ``final_loss`` and
            ``num_epochs``.

        Raises:
            CalibrationError: for observations that are empty, not finite, or do not match.
            ConfigError: if dt is unknown, or the equation does not fit the data.
            DivergenceError: if a rollout leaves the finite numbers, unless
                ``suppress_convergence_errors``; the model then keeps the best estimate.
        """
        dt = getattr(data_source, "dt", None)
        self.dt = self.dt if dt is None else float(dt)
        # A single-precision rollout has rounding errors of the size of the last steps' gains.
        precision, self.model.precision = self.model.precision, "double"
        self._minimum = None
        try:
            passes = super().train(data_source, num_epochs)
            return {**self._result(), **passes}
        finally:
            self.model.precision = precision

    def save_checkpoint(self, path: str) -> None:
        """Write parameters, optimizer, epoch and random states, atomically."""
        state = {
            "parameters": {name: p.detach() for name, p in self.model.named_parameters()},
            "optimizer": None if self.optimizer is None else self.optimizer.state_dict(),
            "epoch": self.epoch,
            "random": checkpoint.random_states(),
        }
        checkpoint.save_checkpoint(path, state, settings=self._identity())

    def load_checkpoint(self, path: str) -> None:
        """Go on where :meth:`save_checkpoint` was called.

        Raises:
            CheckpointError: if the file is damaged, or of another equation or method.
        """
        state = checkpoint.load_checkpoint(path, settings=self._identity())
        self.model.set_parameters(state["parameters"])
        if self.optimizer is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]
        checkpoint.restore_random_states(state["random"])

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
                "model.physical.dt: missing; the data source has no attribute 'dt' either"
            )
        samples = iter(data_source)
        first = next(samples, None)
        if first is None:
            raise CalibrationError("the data source is empty: there is nothing to calibrate on")
        fields = list(match_roles(self.model.spec, list(first[0])).values())
        self.observations = Observations(itertools.chain([first], samples), fields)
        assert self.observations.grid is not None
        if any(p.per_axis for p in self.model.spec.parameters.values()):
            self.model.expand_per_axis(len(self.observations.grid.axes))
            self.vector = self.vector.expanded()
        if self._candidates is None:
            self._candidates = []
            if self.model.numerics.scheme == "auto" and self.model.numerics.order is None:
                self._candidates, optimum = select_discretization(
                    self.model, self.observations, self.vector, self.dt
                )
                if self.settings.method in METHODS:
                    self._guess = self.vector.read()
                    self.vector.write(optimum)  # nearer than the initial guess
        self.objective = Objective(self.model, self.observations, self.vector, self.dt)
        return self.observations

    def _train_epoch(self, samples: Iterable[Sample]) -> float:
        before = self.vector.read()
        if self._minimum is None:
            self._minimum = Minimum(before, inf, MAX_ITERATIONS)
        try:
            if self.settings.method in METHODS:
                return self._minimize(before)
            loss = super()._train_epoch(samples)
        except DivergenceError:
            self.vector.write(before if self._minimum.loss == inf else self._minimum.z)
            self._minimum.status = DIVERGED
            if not self.settings.suppress_convergence_errors:
                raise
            return self._minimum.loss
        after = self.vector.read()
        still = np.all(np.abs(after - before) <= self.settings.abs_tol * np.abs(after))
        self._minimum.status = CONVERGED if still else MAX_ITERATIONS
        self._minimum.note(after, loss)
        return loss

    def _minimize(self, start: np.ndarray) -> float:
        assert self._minimum is not None and self.objective is not None
        if self._minimum.status == CONVERGED:
            return self._minimum.loss  # another minimization would stay where this one ended
        history = self._minimum.history + self._loss_of_guess()
        minimize = METHODS[self.settings.method]
        self._minimum = minimize(
            self.objective, start, self.settings.max_iterations, self.settings.abs_tol
        )
        self._minimum.history = history + self._minimum.history
        self.vector.write(self._minimum.z)
        if self._minimum.status == MAX_ITERATIONS:
            warnings.warn(
                f"{self.settings.method} has not converged in max_iterations = "
                f"{self.settings.max_iterations}; the estimate is the best one so far",
                stacklevel=5,
            )
        return self._minimum.loss

    def _loss_of_guess(self) -> list[tuple[np.ndarray, float]]:
        """The initial guess with its loss, once, where the comparison of schemes went past it."""
        guess, self._guess = self._guess, None
        if guess is None:
            return []
        assert self.objective is not None
        try:
            return [(guess, self.objective.linearize(guess).loss)]
        except DivergenceError:
            return []

    def _train_sample(
        self, initial_fields: Mapping[str, Field], target_fields: Mapping[str, Sequence[Field]]
    ) -> float:
        if self.optimizer is None:  # a minimization over this sample alone
            return float(self.train([(initial_fields, target_fields)], 1)["final_loss"])
        if self.dt is None:
            raise ConfigError("model.physical.dt: missing; it is the time between frames")
        self.optimizer.zero_grad()
        loss = gradient_step.sample_loss(
            self.model, initial_fields, target_fields, self.dt, self.observations
        )
        loss.backward()
        gradient_step.check_gradients(self.model, list(self.learnable))
        self.optimizer.step()
        self.vector.project()
        return float(loss.detach())

    def _create_optimizer(self) -> torch.optim.Optimizer | None:
        if self.settings.method in METHODS:
            return None
        return gradient_step.create_optimizer(
            self.model, self.vector, self.settings.method, self.settings.learning_rate
        )

    def _result(self) -> dict[str, Any]:
        assert self.objective is not None and self.observations is not None
        assert self.dt is not None
        z = self.vector.read()
        uncertainty: Uncertainty | None = None
        loss = inf if self._minimum is None else self._minimum.loss
        try:
            at = self.objective.linearize(z)
            uncertainty, loss = assess(at, self.observations.num_values), at.loss
        except DivergenceError:
            if not self.settings.suppress_convergence_errors:
                raise
        history = [] if self._minimum is None else self._minimum.history
        return {
            "parameters": parameter_report(self.model, self.vector, uncertainty),
            "undetermined_directions": undetermined_directions(self.vector, uncertainty),
            "status": MAX_ITERATIONS if self._minimum is None else self._minimum.status,
            "loss": loss,
            "iterations": len(history),
            "numerics": numerics_report(
                self.model,
                self.observations,
                self.dt,
                self.objective.substeps_used,
                self._candidates or [],
            ),
            "history": [
                history_row(number, *point, self.vector) for number, point in enumerate(history)
            ],
        }
