"""The residual between rollouts and observations, and its derivatives.

The residual r has one entry a window and observed value, divided by the field's standard deviation
and by the root of how often its observation occurs. With N distinct observed numbers the loss is
|r|²/N, a mean square in units of the data's variance. Where initial states are estimated, their
observed values are observations too, and the states are unknowns beside the parameters.

Layout of native tensors: ``G`` states of each window, ``B`` windows, ``C`` channels, ``X Y Z``
space.
"""

from collections.abc import Sequence
from contextlib import closing

import numpy as np
import torch

from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical.adjoint import AdjointRollout
from hybrid_pde.training.physical.evaluation_log import EvaluationLog, Values
from hybrid_pde.training.physical.initial_state_unknowns import InitialStates
from hybrid_pde.training.physical.linearization import Linearization, Reduction
from hybrid_pde.training.physical.observation_times import Stop, stops_of
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.regularization import (
    linearized_regularization,
    regularization_residual,
)
from hybrid_pde.training.physical.stop_residual import predicted_values, stop_residual
from hybrid_pde.training.physical.tangent_rollout import Tangents

# Variance of data without errors, in units of their field's: rounding. Priors of what such data do
# not determine keep a weight.
_EXACT = 1e-16


class Objective:
    """Misfit of a model to observations as a function of what is learned.

    The unknowns are z of the parameters, and after them those of the initial states.

    Args:
        model: The model; its own parameters stay as they are.
        observations: What is fitted.
        vector: The learnable parameters.
        dt: Time between frames [time].
        estimate_states: Whether the windows' initial states are unknown too.
        log: Keeps what was evaluated.

    Attributes:
        noise_variance: Variance of the observations' errors, in units of their fields' variance,
            which priors are weighed against.
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
        self._given = observations
        self.observations = observations.with_starts_observed() if estimate_states else observations
        self.states = InitialStates(self.observations) if estimate_states else None
        self.noise_variance = 1e-4
        self.substeps_used = 0
        self._last: Linearization | None = None

    @property
    def num_values(self) -> float:
        """Number of distinct observed numbers, predicted ones in their place as they weigh."""
        return self.observations.num_values

    @property
    def start(self) -> np.ndarray:
        """The model's present parameters, and initial states as they were observed."""
        return self.complete(self.vector.read())

    def complete(self, z: np.ndarray) -> np.ndarray:
        """The parameters z with the observed initial states, where those are unknowns."""
        return z if self.states is None else np.concatenate([z, self.states.start])

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of all unknowns."""
        free = np.full(0 if self.states is None else len(self.states.start), np.inf)
        return (
            np.concatenate([self.vector.lower, -free]),
            np.concatenate([self.vector.upper, free]),
        )

    def without_predictions(self) -> "Objective":
        """The misfit to what was observed alone.

        Raises:
            CalibrationError: if that is nothing.
            ConfigError: if initial states are unknown that only predictions start from.
        """
        real = self._given.without_predictions()
        return self._with(real, self.states is not None)

    def with_states_held(self, unknowns: np.ndarray) -> "Objective":
        """The misfit as a function of the parameters alone, from the initial states at a point."""
        observations = self._given
        if self.states is not None:
            everything = range(len(observations.windows))
            states = torch.from_numpy(np.array(unknowns[len(self.vector) :]))
            observations = observations.starting_from(self.states.states(states, everything))
        return self._with(observations)

    def until(self, num_frames: int) -> "Objective":
        """The misfit of the first frames of every window.

        Raises:
            CalibrationError: if nothing is seen by then.
        """
        observations = self.observations.until(num_frames, self.dt)
        return self._with(observations, self.states is not None)

    def _with(self, observations: Observations, estimate_states: bool = False) -> "Objective":
        """The misfit to other observations."""
        other = Objective(
            self.model, observations, self.vector, self.dt, estimate_states, log=self.log
        )
        other.noise_variance = self.noise_variance
        return other

    def loss(self, unknowns: np.ndarray) -> float:
        """|r|²/N alone.

        Raises:
            DivergenceError: if a rollout leaves the finite numbers.
        """
        return self.log.answer("loss", unknowns, lambda: {"loss": self._loss(unknowns)})["loss"]

    @torch.no_grad()
    def _loss(self, unknowns: np.ndarray) -> float:
        point = torch.from_numpy(np.array(unknowns))
        tangents = Tangents(self.model, self.observations, self.vector, self.states)
        total = float(self.penalty_loss(point))
        for numbers in self.observations.chunks():
            stops = stops_of(self.observations, numbers, self.dt)
            total += float(self.initial_misfit(point, numbers))
            states = tangents.run([point], numbers, stops)
            for stop, state in zip(stops, states, strict=True):
                total += float(self.misfit(numbers, stop, state))
        return total

    def linearize(self, unknowns: np.ndarray) -> Linearization:
        """Residual and Jacobian by forward-mode derivatives, one pass an unknown.

        The passes run in lockstep over the frames, and each frame is folded into a triangle at
        once: memory depends neither on the number of frames nor on that of the observations.

        Raises:
            DivergenceError: if a rollout leaves the finite numbers.
        """
        if self._last is not None and np.array_equal(unknowns, self._last.z):
            return self._last
        found = self.log.answer("linearize", unknowns, lambda: self._linearize(unknowns))
        self.substeps_used = found["substeps"]
        jacobian, residual = found["jacobian"].numpy(), found["residual"].numpy()
        self._last = Linearization(np.array(unknowns), jacobian, residual, found["loss"])
        return self._last

    def _linearize(self, unknowns: np.ndarray) -> Values:
        self.substeps_used = 0
        reduction = Reduction(len(self.vector), self.states)
        tangents = Tangents(self.model, self.observations, self.vector, self.states)
        for numbers in self.observations.chunks():
            stops = stops_of(self.observations, numbers, self.dt)
            with torch.no_grad():
                if self.states is not None:
                    first = len(self.vector)
                    reduction.fold(numbers, self.states.block(unknowns[first:], numbers, first))
                # Closed also when the loop is left by an error: a level of derivatives is open.
                with closing(tangents.rollout(unknowns, numbers, stops)) as run:
                    for stop, values, slopes in run:
                        self.substeps_used = max(self.substeps_used, self.model.substeps_used)
                        block = self._block(numbers, stop, values, slopes)
                        self._check(block, unknowns)
                        reduction.fold(numbers, block)
        penalties = linearized_regularization(
            self.vector, unknowns, self.noise_variance, self.num_values
        )
        at = reduction.finish(unknowns, penalties, self.num_values)
        return {
            # copies, since how numbers lie in memory may decide their last bits
            "jacobian": torch.from_numpy(at.jacobian.copy()),
            "residual": torch.from_numpy(at.residual.copy()),
            "loss": at.loss,
            "substeps": self.substeps_used,
        }

    def keep(self, at: Linearization) -> None:
        """Answer :meth:`linearize` at a point with what was found there before."""
        self._last = at

    def loss_and_gradient(self, unknowns: np.ndarray) -> tuple[float, np.ndarray]:
        """|r|²/N and its gradient, by reverse-mode derivatives.

        Steps are recomputed on the way back, so that memory grows with the root of their number.

        Raises:
            DivergenceError: if a rollout leaves the finite numbers.
        """
        found = self.log.answer("gradient", unknowns, lambda: self._gradient(unknowns))
        return found["loss"], found["gradient"].numpy()

    def _gradient(self, unknowns: np.ndarray) -> Values:
        z = torch.tensor(unknowns, dtype=torch.float64, requires_grad=True)
        total = 0.0
        for numbers in self.observations.chunks():
            part = self.window_loss(z, numbers)
            part.backward()
            total += float(part.detach())
        extra = self.penalty_loss(z)
        if extra.requires_grad:  # there is a penalty
            extra.backward()
        total += float(extra.detach())
        assert z.grad is not None
        if not bool(torch.isfinite(z.grad).all()):
            raise DivergenceError(
                f"{self.model.spec.name}: the gradient is not finite at {self._place(unknowns)}"
            )
        return {"loss": total, "gradient": z.grad}

    def window_loss(self, z: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
        """Share of the loss of windows with equal stops, differentiable with respect to ``z``."""

        def misfit(stop: Stop, state: dict[str, torch.Tensor]) -> torch.Tensor:
            self.substeps_used = max(self.substeps_used, self.model.substeps_used)
            return self.misfit(numbers, stop, state)

        stops = stops_of(self.observations, numbers, self.dt)
        rollout = AdjointRollout(self.model, self.observations, self.vector, self.states)
        total = self.initial_misfit(z, numbers)
        for loss in rollout.losses(z, numbers, stops, misfit):
            total = total + loss
        return total

    def weigh_priors(self, unknowns: np.ndarray) -> None:
        """Take over the variance of the observations' errors that is left at a point."""
        at = self.linearize(unknowns)
        penalty = float((self._regularization(torch.from_numpy(unknowns)) ** 2).sum())
        freedom = max(1, self.num_values - len(unknowns))
        squares = at.loss * self.num_values - penalty
        self.noise_variance = max(squares / freedom, _EXACT)
        self._last = None

    def misfit(
        self, numbers: Sequence[int], stop: Stop, state: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """Share of the loss of one stop, differentiably."""
        lifted = {name: value.unsqueeze(0) for name, value in state.items()}
        return (self._residual(numbers, stop, lifted) ** 2).sum() / self.num_values

    def initial_misfit(self, z: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
        """Share of the loss of estimated initial states, differentiably."""
        if self.states is None:
            return torch.zeros((), dtype=torch.float64)
        residual = self.states.residual(z[len(self.vector) :], numbers)
        return (residual**2).sum() / self.num_values

    def penalty_loss(self, z: torch.Tensor) -> torch.Tensor:
        """Share of the loss of priors and of the smoothness of fields, differentiably."""
        return (self._regularization(z) ** 2).sum() / self.num_values

    def _regularization(self, unknowns: torch.Tensor) -> torch.Tensor:
        return regularization_residual(self.vector, unknowns, self.noise_variance, self.num_values)

    def _block(
        self,
        numbers: Sequence[int],
        stop: Stop,
        values: dict[str, torch.Tensor],
        slopes: dict[str, torch.Tensor],
    ) -> torch.Tensor:
        """``[J r]`` of one stop, ``[n + 1, B, values]``."""
        columns = predicted_values(self.observations, numbers, stop, slopes)
        return torch.cat([columns, self._residual(numbers, stop, values)])

    def _check(self, block: torch.Tensor, unknowns: np.ndarray) -> None:
        if not bool(torch.isfinite(block).all()):
            raise DivergenceError(
                f"{self.model.spec.name}: the derivatives of the rollout are not finite at "
                f"{self._place(unknowns)}"
            )

    def _residual(
        self, numbers: Sequence[int], stop: Stop, states: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        return stop_residual(self.observations, numbers, stop, states)

    def _place(self, unknowns: np.ndarray) -> dict[str, float]:
        values = self.vector.values(unknowns[: len(self.vector)])
        return dict(zip(self.vector.labels, values.tolist(), strict=True))
