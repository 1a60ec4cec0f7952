"""Objective of a calibration: weighted residual of rollouts, loss and derivatives.

The residual r has one entry per window and observed value. Each is divided by the standard
deviation of the field and by the square root of the number of windows that contain the observation.
With N distinct observed values the loss is |r|²/N, a mean square in units of the data variance. If
initial states are estimated, they are unknowns beside the parameters, and their observed values are
observations too.

Layout of native tensors: ``G`` states of each window, ``B`` windows, ``C`` channels, ``X Y Z``
space.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from math import isfinite

import numpy as np
import torch

from hybrid_pde.config.checks.calibration import MAX_UNKNOWNS
from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical.adjoint import AdjointRollout
from hybrid_pde.training.physical.evaluation_log import EvaluationLog, Values
from hybrid_pde.training.physical.frame_arrays import (
    MOST_PARAMETERS,
    FrameArrays,
    Sensitivities,
)
from hybrid_pde.training.physical.initial_state_unknowns import InitialStates
from hybrid_pde.training.physical.linearization import Linearization, Reduction
from hybrid_pde.training.physical.observation_times import ObservationTime, observation_times
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.regularization import (
    linearized_regularization,
    regularization_residual,
)
from hybrid_pde.training.physical.residual import predicted_values, residual_at
from hybrid_pde.training.physical.state_elimination import StateEliminator
from hybrid_pde.training.physical.tangent_rollout import TangentRollout

# Smallest noise variance, in units of the field variance: rounding errors. With exact data, priors
# still determine what the data do not.
_SMALLEST_VARIANCE = 1e-16


class Objective:
    """Misfit of a model to observations as a function of the unknowns.

    The unknowns are the parameters z, followed by the initial states if they are estimated.

    Args:
        model: The model; its own parameters are not changed.
        observations: The observations to fit.
        vector: The learnable parameters.
        dt: Time between frames [time].
        estimate_states: Whether the initial states of the windows are unknowns.
        log: Log of evaluations, for resuming.

    Attributes:
        noise_variance: Variance of the observation errors, in units of the field variance; scales
            the weight of priors.
        substeps_used: Largest number of time steps per frame of the last linearization.
    """

    def __init__(
        self,
        model: PhysicalModel,
        observations: Observations,
        vector: ParameterVector,
        dt: float,
        estimate_states: bool = False,
        log: EvaluationLog | None = None,
    ) -> None:
        self.model, self.vector, self.dt = model, vector, dt
        self.log = log or EvaluationLog()
        self._original = observations
        self.observations = observations.with_starts_observed() if estimate_states else observations
        self.states = InitialStates(self.observations) if estimate_states else None
        self.noise_variance = 1e-4
        self.substeps_used = 0
        self._last: Linearization | None = None
        self._before: Linearization | None = None  # that before the last one
        self._arrays: FrameArrays | None = None  # of the last computed linearization

    @property
    def num_values(self) -> float:
        """Number of distinct observed values; predicted values count with their weight."""
        return self.observations.num_values

    @property
    def start(self) -> np.ndarray:
        """All unknowns at the current parameters of the model and the observed initial states."""
        return self.complete(self.vector.read())

    @property
    def can_linearize(self) -> bool:
        """True if the Jacobian is small enough."""
        dense = 0 if self.states is None or not self.states.is_dense else len(self.states.start)
        return len(self.vector) + dense <= MAX_UNKNOWNS

    def complete(self, z: np.ndarray) -> np.ndarray:
        """The parameters z, followed by the observed initial states if these are unknowns."""
        return z if self.states is None else np.concatenate([z, self.states.start])

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of all unknowns."""
        free = np.full(0 if self.states is None else len(self.states.start), np.inf)
        return (
            np.concatenate([self.vector.lower, -free]),
            np.concatenate([self.vector.upper, free]),
        )

    def without_predictions(self) -> "Objective":
        """The misfit to observations only, without predicted values.

        Raises:
            CalibrationError: if nothing was observed.
        """
        real = self._original.without_predictions()
        return self._with(real, self.states is not None)

    def with_states_held(self, unknowns: np.ndarray) -> "Objective":
        """The misfit as a function of the parameters only, with initial states fixed at a point."""
        observations = self._original
        if self.states is not None:
            everything = range(len(observations.windows))
            states = torch.from_numpy(np.array(unknowns[len(self.vector) :]))
            observations = observations.starting_from(self.states.states(states, everything))
        return self._with(observations)

    def until(self, num_frames: int) -> "Objective":
        """The misfit of the first frames of every window.

        Raises:
            CalibrationError: if nothing is observed in these frames.
        """
        observations = self.observations.until(num_frames, self.dt)
        return self._with(observations, self.states is not None)

    def of(self, observations: Observations) -> "Objective":
        """The misfit to some of the windows, as a function of the parameters only."""
        return self._with(observations)

    def _with(self, observations: Observations, estimate_states: bool = False) -> "Objective":
        """The misfit to other observations."""
        other = Objective(
            self.model, observations, self.vector, self.dt, estimate_states, log=self.log
        )
        other.noise_variance = self.noise_variance
        return other

    def loss(self, unknowns: np.ndarray) -> float:
        """The loss |r|²/N.

        Raises:
            DivergenceError: if a rollout is no longer finite.
        """
        return self.evaluate("loss", unknowns, lambda: {"loss": self._loss(unknowns)})["loss"]

    def evaluate(self, kind: str, z: np.ndarray, evaluate: Callable[[], Values]) -> Values:
        """The result of an evaluation, see :meth:`EvaluationLog.evaluate`.

        Whether the model's steps were compiled is logged with it: a calibration that is resumed
        reports what ran.
        """

        def computed() -> Values:
            return {**evaluate(), "compiled": self.model.has_compiled_steps}

        found = self.log.evaluate(kind, z, computed)
        self.model.has_compiled_steps |= found["compiled"]
        return found

    @torch.no_grad()
    def _loss(self, unknowns: np.ndarray) -> float:
        point = torch.from_numpy(np.array(unknowns))
        tangents = TangentRollout(self.model, self.observations, self.vector, self.states)
        total = float(self.penalty_loss(point))
        for numbers in self.observations.chunks():
            instants = observation_times(self.observations, numbers, self.dt)
            total += float(self.initial_misfit(point, numbers))
            states = tangents.run([point], numbers, instants)
            for instant, state in zip(instants, states, strict=True):
                total += float(self.misfit(numbers, instant, state))
        return total

    def linearize(self, unknowns: np.ndarray) -> Linearization:
        """Residual and Jacobian by forward-mode derivatives, one pass per unknown.

        Large initial states are eliminated by conjugate gradients; the Jacobian is then that of the
        parameters.

        The passes run in lockstep over the frames, and each frame is reduced by QR immediately:
        memory depends neither on the number of frames nor on the number of observations.

        Raises:
            DivergenceError: if a rollout is no longer finite.
        """
        if (known := self.at_hand(unknowns)) is not None:
            return known
        self._last, self._before = self._before, self._last
        if (known := self.at_hand(unknowns)) is not None:
            return known
        is_dense = self.states is None or self.states.is_dense
        linearize = self._linearize if is_dense else self._linearize_eliminated
        self._arrays = None
        found = self.evaluate("linearize", unknowns, lambda: linearize(unknowns))
        self.substeps_used = found["substeps"]
        self._last = replace(Linearization.restored(unknowns, found), arrays=self._arrays)
        return self._last

    def at_hand(self, unknowns: np.ndarray) -> Linearization | None:
        """The last linearization, if it is that at a point."""
        last = self._last
        return last if last is not None and np.array_equal(unknowns, last.z) else None

    def sensitivities(self, z: np.ndarray) -> Sequence[Sensitivities]:
        """Residuals of frames with derivatives at a point, of a few windows, with known states.

        They are collected with the linearization; only where that was read from the log, it is
        computed again.

        Raises:
            DivergenceError: if a rollout is no longer finite.
        """
        at = self.linearize(z)
        if at.arrays is None:
            self._linearize(z)
            at = replace(at, arrays=self._arrays)
            self._last = at
        assert at.arrays is not None, "states are known, and parameters few"
        return at.arrays.windows

    def _linearize(self, unknowns: np.ndarray) -> Values:
        self.substeps_used = 0
        if self.states is None and len(self.vector) <= MOST_PARAMETERS:
            self._arrays = FrameArrays(self.observations, len(self.vector), self.dt)
        reduction = Reduction(len(self.vector), self.states, self.observations.simulations)
        tangents = TangentRollout(self.model, self.observations, self.vector, self.states)
        for numbers in self.observations.chunks():
            instants = observation_times(self.observations, numbers, self.dt)
            with torch.no_grad():
                if self.states is not None:
                    first = len(self.vector)
                    reduction.fold(numbers, self.states.block(unknowns[first:], numbers, first))
                if self._arrays is not None:
                    self._arrays.begin(numbers)
                # The generator holds an open forward-mode level: close it after errors too.
                with closing(tangents.rollout(unknowns, numbers, instants)) as run:
                    for instant, values, slopes in run:
                        self.substeps_used = max(self.substeps_used, self.model.substeps_used)
                        columns = predicted_values(self.observations, numbers, instant, slopes)
                        block = torch.cat([columns, self._residual(numbers, instant, values)])
                        self._check(block, unknowns)
                        reduction.fold(numbers, block)
                        if self._arrays is not None:
                            self._arrays.add(instant, values, slopes)
        penalties = linearized_regularization(
            self.vector, unknowns, self.noise_variance, self.num_values
        )
        at = reduction.finish(unknowns, penalties, self.num_values)
        return {**at.stored(), "substeps": self.substeps_used}

    def _linearize_eliminated(self, unknowns: np.ndarray) -> Values:
        """The linearization of the parameters, the states eliminated."""
        assert self.states is not None
        eliminator = StateEliminator(
            self.model, self.observations, self.vector, self.states, self.dt
        )
        z = unknowns[: len(self.vector)]
        penalties = linearized_regularization(self.vector, z, self.noise_variance, self.num_values)
        at, self.substeps_used = eliminator.linearize(unknowns, penalties, self._before)
        self._check(torch.from_numpy(at.jacobian), unknowns)
        return {**at.stored(), "substeps": self.substeps_used}

    def reuse(self, at: Linearization) -> None:
        """Reuse a linearization for :meth:`linearize` at its point."""
        if self._last is not None and self._last is not at:
            self._before = self._last
        self._last = at

    def loss_and_gradient(self, unknowns: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss |r|²/N and its gradient, by reverse-mode derivatives.

        Memory grows with the square root of the number of steps, see
        :mod:`hybrid_pde.training.physical.adjoint`.

        Raises:
            DivergenceError: if a rollout is no longer finite.
        """
        found = self.evaluate("gradient", unknowns, lambda: self._gradient(unknowns))
        return found["loss"], found["gradient"].numpy()

    def _gradient(self, unknowns: np.ndarray) -> Values:
        z = torch.tensor(unknowns, dtype=torch.float64, requires_grad=True)
        total = 0.0
        for numbers in self.observations.chunks():
            part = self.window_loss(z, numbers)
            part.backward()
            total += float(part.detach())
        extra = self.penalty_loss(z)
        if extra.requires_grad:  # without priors and smoothness it is constant
            extra.backward()
        total += float(extra.detach())
        assert z.grad is not None
        if not bool(torch.isfinite(z.grad).all()):
            raise DivergenceError(
                f"{self.model.spec.name}: the gradient is not finite at {self._named(unknowns)}"
            )
        return {"loss": total, "gradient": z.grad}

    def window_loss(self, z: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
        """Contribution of windows with equal observation times to the loss, differentiable."""

        def misfit(instant: ObservationTime, state: dict[str, torch.Tensor]) -> torch.Tensor:
            self.substeps_used = max(self.substeps_used, self.model.substeps_used)
            return self.misfit(numbers, instant, state)

        instants = observation_times(self.observations, numbers, self.dt)
        rollout = AdjointRollout(self.model, self.observations, self.vector, self.states)
        total = self.initial_misfit(z, numbers)
        for loss in rollout.losses(z, numbers, instants, misfit):
            total = total + loss
        return total

    def weigh_priors(self, unknowns: np.ndarray) -> None:
        """Set ``noise_variance`` to the residual variance of the observations at a point."""
        at = self.linearize(unknowns)
        penalty = float((self._regularization(torch.from_numpy(unknowns)) ** 2).sum())
        freedom = max(1, self.num_values - len(unknowns))
        squares = at.loss * self.num_values - penalty
        self.noise_variance = max(squares / freedom, _SMALLEST_VARIANCE)
        self._last = self._before = None

    def misfit(
        self, numbers: Sequence[int], instant: ObservationTime, state: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """Contribution of one observation time to the loss, differentiable."""
        lifted = {name: value.unsqueeze(0) for name, value in state.items()}
        return (self._residual(numbers, instant, lifted) ** 2).sum() / self.num_values

    def initial_misfit(self, z: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
        """Contribution of estimated initial states to the loss, differentiable."""
        if self.states is None:
            return torch.zeros((), dtype=torch.float64)
        residual = self.states.residual(z[len(self.vector) :], numbers)
        return (residual**2).sum() / self.num_values

    def penalty_loss(self, z: torch.Tensor) -> torch.Tensor:
        """Contribution of priors and smoothness to the loss, differentiable."""
        return (self._regularization(z) ** 2).sum() / self.num_values

    def _regularization(self, unknowns: torch.Tensor) -> torch.Tensor:
        return regularization_residual(self.vector, unknowns, self.noise_variance, self.num_values)

    def _check(self, block: torch.Tensor, unknowns: np.ndarray) -> None:
        # A sum is much cheaper than a mask, but that of finite values may overflow.
        if not isfinite(float(block.sum())) and not bool(torch.isfinite(block).all()):
            raise DivergenceError(
                f"{self.model.spec.name}: the derivatives of the rollout are not finite at "
                f"{self._named(unknowns)}"
            )

    def _residual(
        self, numbers: Sequence[int], instant: ObservationTime, states: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        return residual_at(self.observations, numbers, instant, states)

    def _named(self, unknowns: np.ndarray) -> dict[str, float]:
        values = self.vector.values(unknowns[: len(self.vector)])
        return dict(zip(self.vector.labels, values.tolist(), strict=True))
