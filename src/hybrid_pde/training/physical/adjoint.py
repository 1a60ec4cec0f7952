"""Checkpointed reverse-mode derivatives of rollouts.

The rollout is cut into about √n segments of √n frames. Only the states between segments are stored;
the backward pass recomputes each segment. The time steps within a frame are checkpointed in the
same way.

Source: Griewank and Walther (2008), Evaluating Derivatives, chapter 12.
"""

from collections.abc import Callable, Iterator, Sequence
from math import ceil, sqrt

import torch
from torch.utils.checkpoint import checkpoint

from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical.initial_state_unknowns import InitialStates
from hybrid_pde.training.physical.observation_times import ObservationTime, conditions_at
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.tangent_rollout import EXPECTED_ROLLOUTS

Misfit = Callable[[ObservationTime, dict[str, torch.Tensor]], torch.Tensor]


class AdjointRollout:
    """Rollouts with gradients with respect to parameters and initial states.

    Args:
        model: The equation.
        observations: The windows.
        vector: The learnable parameters.
        states: The initial states, if they are unknowns.
    """

    def __init__(
        self,
        model: PhysicalModel,
        observations: Observations,
        vector: ParameterVector,
        states: InitialStates | None,
    ) -> None:
        self._model, self._observations, self._vector = model, observations, vector
        self._states = states

    def losses(
        self,
        z: torch.Tensor,
        numbers: Sequence[int],
        instants: Sequence[ObservationTime],
        misfit: Misfit,
    ) -> Iterator[torch.Tensor]:
        """Loss of each segment of the rollout, differentiable with respect to ``z``.

        Args:
            z: All unknowns, ``[n]``.
            numbers: Windows with equal observation times.
            instants: Times at which the rollout is compared with observations.
            misfit: Loss of one observation time, from that time and the state.
        """
        size = len(self._vector)
        length = ceil(sqrt(len(instants)))
        if self._states is None:
            state = self._observations.initial(numbers)
        else:
            state = self._states.states(z[size:], numbers)
        names = list(state)
        conditions = self._observations.conditions(numbers)
        entries = [f"window {number}" for number in numbers]

        def advance(begin: int, z: torch.Tensor, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
            part = instants[begin : begin + length]
            before = instants[begin - 1].time if begin else 0.0
            loss = torch.zeros((), dtype=torch.float64)
            now = dict(zip(names, values, strict=True))
            frames = self._model.rollout(
                now,
                self._observations.grid,
                len(part),
                [instant.interval for instant in part],
                self._vector.decode(z[:size]),
                entries,
                conditions_at(conditions, part, before),
                rollouts=EXPECTED_ROLLOUTS * ceil(len(instants) / length),
            )
            for instant, now in zip(part, frames, strict=True):
                loss = loss + misfit(instant, now)
            return loss, *(now[name] for name in names)

        for begin in range(0, len(instants), length):
            # Without reentry, memory grows faster than the root of the steps.
            loss, *values = checkpoint(
                advance, begin, z, *(state[name] for name in names), use_reentrant=True
            )
            yield loss
            state = dict(zip(names, values, strict=True))
