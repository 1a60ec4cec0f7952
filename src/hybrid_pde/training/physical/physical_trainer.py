"""Trainer that calibrates the parameters of a PDE on observed fields."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from phi.torch.flow import Field

from hybrid_pde.config import Experiment
from hybrid_pde.config.derived import own_parameters
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical.initial_parameters import learnable_parameters
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training import checkpoint
from hybrid_pde.training.physical.calibration import Calibration, CalibrationOptions, calibrate
from hybrid_pde.training.physical.evaluation_log import EvaluationLog
from hybrid_pde.training.physical.field_trainer import FieldTrainer, Sample
from hybrid_pde.training.physical.gradient_step import GradientSteps
from hybrid_pde.training.physical.learnable_values import set_learnable
from hybrid_pde.training.physical.minimization import METHODS
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.observed_fields import observed_fields
from hybrid_pde.training.physical.observed_windows import observed
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.scheme_selection import SchemeSelection


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
        dt: Time between frames [time], unless the data tell it.
        vector: The learnable parameters; from the first training on, on the grid of the data.
        calibration: The last training.
        log: Log of evaluations; with a folder, an interrupted calibration can be resumed.
        can_estimate_states: Whether the experiment may set ``initial_state: estimate``, which a
            warning about noisy first frames then recommends.
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
        self.calibration: Calibration | None = None
        self._selection: SchemeSelection | None = None
        self._steps: GradientSteps | None = None
        self._restored: dict[str, Any] | None = None
        self._previous: Mapping[str, Any] | None = None
        self._part: tuple[Objective, int, Sample] | None = None  # the window in _train_sample
        self.log = EvaluationLog()
        self.can_estimate_states = True
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
            ``iterations``, ``numerics``, ``history``, ``warnings`` (messages), ``profiles``,
            ``train_losses``, ``final_loss`` and ``num_epochs``.

        Raises:
            CalibrationError: for observations that are empty, not finite, or inconsistent.
            ConfigError: if dt is unknown, or the equation does not fit the data.
            DivergenceError: if a rollout is no longer finite, unless
                ``suppress_convergence_errors``; the model then keeps the best estimate.
        """
        dt = getattr(data_source, "dt", None)
        self.dt = self.dt if dt is None else float(dt)
        if self.dt is None:
            raise ConfigError(
                "model.physical.dt: missing, and the data source has no attribute 'dt'; set the "
                "time between frames"
            )
        if self._has_own_step and not hasattr(data_source, "__getitem__"):
            data_source = list(data_source)
        data = observed(data_source, self.model.spec)
        self._place(data.grid)
        options = CalibrationOptions(
            self.settings,
            self.dt,
            num_epochs,
            self.experiment.run_params.seed,
            self._selection,
            self._steps,
            self._own_step(data_source),
            self.log,
            self.can_estimate_states,
        )
        self.calibration = calibrate(self.model, self.vector, data, options)
        self._selection = self.calibration.selection
        self.epoch += num_epochs
        return self.calibration.result.to_mapping()

    @property
    def objective(self) -> Objective | None:
        """The misfit of the last training."""
        return None if self.calibration is None else self.calibration.objective

    @property
    def observations(self) -> Observations | None:
        """The observations of the last training."""
        return None if self.calibration is None else self.calibration.observations

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

    def _place(self, grid: Grid) -> None:
        """Put the vector on the grid of the data; a larger vector gets a new optimizer."""
        vector = self.vector.on(grid)
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

    @property
    def _has_own_step(self) -> bool:
        """True if a subclass replaces the step on a sample."""
        return type(self)._train_sample is not PhysicalTrainer._train_sample

    def _own_step(self, samples: Any) -> Callable[[Objective, int], float] | None:
        if not self._has_own_step:
            return None

        def step(objective: Objective, number: int) -> float:
            sample = samples[number]
            self._part = (objective, number, sample)
            try:
                return self._train_sample(*sample)
            finally:
                self._part = None

        return step

    def _train_sample(
        self, initial_fields: Mapping[str, Field], target_fields: Mapping[str, Sequence[Field]]
    ) -> float:
        if self._steps is None:  # a minimization over this sample only
            return float(self.train([(initial_fields, target_fields)], 1)["final_loss"])
        if self._part is not None:
            objective, number, (initial, targets) = self._part
            if initial is initial_fields and targets is target_fields:  # not replaced by a subclass
                return self._steps.step(objective, [number])
        if self.dt is None:
            raise ConfigError("model.physical.dt: missing; set the time between frames")
        data = observed_fields([(initial_fields, target_fields)], self.model.spec)
        objective = Objective(self.model, Observations(data), self.vector, self.dt, log=self.log)
        return self._steps.step(objective, range(len(data)))

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
