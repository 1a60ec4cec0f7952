"""Products with the Jacobian of the residual with respect to the initial states, and its transpose.

Layout of native tensors: ``G`` vectors, ``B`` windows, ``C`` channels, ``X Y Z`` space. The rows of
the residual are a list: those of the initial frames ``[G, B, size]``, then those of every
observation time ``[G, B, values]``.
"""

from collections.abc import Generator, Sequence
from contextlib import closing

import numpy as np
import torch

from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical.initial_state_unknowns import InitialStates
from hybrid_pde.training.physical.observation_times import (
    ObservationTime,
    conditions_at,
    observation_times,
)
from hybrid_pde.training.physical.observations import CHUNK_VALUES, Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.residual import predicted_values, residual_at
from hybrid_pde.training.physical.tangent_rollout import States, TangentRollout, Tangents

Rows = list[torch.Tensor]
# Products with the Jacobian in a calibration, for the choice whether steps are compiled.
_EXPECTED_PRODUCTS = 50


class StateJacobian:
    """The Jacobian of some windows at a point, without storing it.

    Products are rollouts with tangents. Products with the transpose go backwards from frame to
    frame, each recomputed from the stored one before it.

    Args:
        model: The equation.
        observations: The windows.
        vector: The learnable parameters.
        states: The initial states.
        dt: Time between frames [time].
        unknowns: The point, all unknowns.
        numbers: Windows with equal observation times.

    Attributes:
        substeps: Largest number of time steps per frame.

    Source: Courtier, Thépaut and Hollingsworth (1994), Q. J. R. Meteorol. Soc. 120, 1367-1387
    (incremental variational assimilation).
    """

    def __init__(
        self,
        model: PhysicalModel,
        observations: Observations,
        vector: ParameterVector,
        states: InitialStates,
        dt: float,
        unknowns: np.ndarray,
        numbers: Sequence[int],
    ) -> None:
        self._model, self._observations, self._vector = model, observations, vector
        self._states, self._unknowns, self._numbers = states, unknowns, numbers
        self._instants = observation_times(observations, numbers, dt)
        self._tangents = TangentRollout(model, observations, vector, states)
        self._weights = states.weights(numbers)
        self._before: list[States] = []  # the state before each observation time
        self.substeps = 0

    def parameter_rows(self) -> Rows:
        """Derivatives of the residual with respect to the parameters, and the residual last."""
        size = len(self._vector)
        unit = torch.eye(size, dtype=torch.float64)
        held = torch.zeros(size, len(self._numbers), self._states.size, dtype=torch.float64)
        point = torch.from_numpy(np.array(self._unknowns[size:]))
        residual = self._states.residual(point, self._numbers).unsqueeze(0)
        rows: Rows = [torch.cat([held, residual])]
        state = self._states.states(point, self._numbers)
        self._before, self.substeps = [], 0
        with closing(self._along(Tangents(unit, held))) as run:
            for instant, values, slopes in run:
                self.substeps = max(self.substeps, self._model.substeps_used)
                self._before.append(state)
                state = {name: value[0] for name, value in values.items()}
                residual = residual_at(self._observations, self._numbers, instant, values)
                rows.append(torch.cat([self._predicted(instant, slopes), residual]))
        return rows

    def push(self, states: torch.Tensor) -> Rows:
        """J v for changes v of the initial states ``[G, B, size]``."""
        tangents = Tangents(torch.zeros(len(states), len(self._vector)).double(), states)
        rows: Rows = [states * self._weights]
        with closing(self._along(tangents)) as run:
            rows += [self._predicted(instant, slopes) for instant, _, slopes in run]
        return rows

    def pull(self, rows: Rows) -> torch.Tensor:
        """Jᵀ w, ``[G, B, size]``; needs :meth:`parameter_rows` before."""
        count, values = len(rows[0]), len(self._numbers) * self._states.size
        num_groups = min(count, -(-count * values // CHUNK_VALUES))
        groups = zip(*(each.tensor_split(num_groups) for each in rows), strict=True)
        return torch.cat([self._pull(list(group)) for group in groups])

    def _pull(self, rows: Rows) -> torch.Tensor:
        copies = len(rows[0])
        names = self._observations.fields
        z = torch.from_numpy(np.array(self._unknowns[: len(self._vector)]))
        parameters = self._vector.decode(z)
        conditions = self._observations.conditions(self._numbers, copies)
        entries = [f"window {number}" for _ in range(copies) for number in self._numbers]
        later: States | None = None
        for place in reversed(range(len(self._instants))):
            instant = self._instants[place]
            state = {n: torch.cat([v] * copies) for n, v in self._before[place].items()}
            with torch.enable_grad():
                starts = [value.requires_grad_() for value in state.values()]
                rollout = self._model.rollout(
                    state,
                    self._observations.grid,
                    1,
                    [instant.interval],
                    parameters,
                    entries,
                    conditions_at(conditions, [instant], self._time_before(place)),
                    rollouts=_EXPECTED_PRODUCTS * len(self._instants),
                )
                after = next(iter(rollout))
                lifted = {n: after[n].unflatten(0, (copies, -1)) for n in names}
                total = (self._predicted(instant, lifted) * rows[place + 1]).sum()
                if later is not None:
                    total = total + sum((after[name] * later[name]).sum() for name in names)
                total.backward()  # steps that are recomputed do not allow autograd.grad
            later = {
                name: torch.zeros_like(start) if start.grad is None else start.grad
                for name, start in zip(state, starts, strict=True)
            }
        assert later is not None, "a window without an observation"
        lifted = {name: later[name].unflatten(0, (copies, -1)) for name in names}
        return self._states.to_unknowns(lifted) + rows[0] * self._weights

    def _along(
        self, tangents: Tangents
    ) -> Generator[tuple[ObservationTime, States, States], None, None]:
        return self._tangents.along(self._unknowns, self._numbers, self._instants, tangents)

    def _predicted(self, instant: ObservationTime, states: States) -> torch.Tensor:
        return predicted_values(self._observations, self._numbers, instant, states)

    def _time_before(self, place: int) -> float:
        return self._instants[place - 1].time if place else 0.0
