"""Rollouts with forward-mode derivatives with respect to all unknowns, in lockstep.

Layout of native tensors: ``G`` unknowns, ``B`` windows, ``C`` channels, ``X Y Z`` space.
"""

import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.autograd.forward_ad as forward_ad

from hybrid_pde.models.physical.coefficients import Directions, plain
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical.initial_state_unknowns import InitialStates
from hybrid_pde.training.physical.observation_times import ObservationTime, conditions_at
from hybrid_pde.training.physical.observations import CHUNK_VALUES, Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.residual import joined

States = dict[str, torch.Tensor]
# Rollouts that a compiled graph serves in a calibration: each scheme and grid has its own graphs.
EXPECTED_ROLLOUTS = 8
# Relative step of central differences, for schemes without forward mode: the cube root of machine
# precision balances rounding and truncation errors.
_DIFFERENCE = 6e-6


@dataclass(frozen=True)
class Tangents:
    """Directions of derivatives.

    Attributes:
        parameters: Tangents of the parameters z, ``[G, p]``.
        states: Tangents of the unknown initial states, ``[G, B, size]``; ``None`` if they are
            known.
    """

    parameters: torch.Tensor
    states: torch.Tensor | None = None

    def group(self, first: int, size: int) -> "Tangents":
        """Directions from one of them on, filled up with zeros."""
        parts = []
        for each in (self.parameters, self.states):
            part = None if each is None else each[first : first + size]
            if part is not None and len(part) < size:
                part = torch.cat([part, part.new_zeros(size - len(part), *part.shape[1:])])
            parts.append(part)
        assert parts[0] is not None
        return Tangents(parts[0], parts[1])


class TangentRollout:
    """Derivatives of rollouts with respect to parameters and initial states.

    Several unknowns form one batch: what does not depend on the unknown is computed once. The
    initial states of all windows are differentiated at once, because each affects only its own
    window.

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
        self._count = len(vector) + (0 if states is None else states.size)
        _load_forward_mode()

    def rollout(
        self, unknowns: np.ndarray, numbers: Sequence[int], instants: Sequence[ObservationTime]
    ) -> Generator[tuple[ObservationTime, States, States], None, None]:
        """States ``[1, B, C, *space]`` and derivatives ``[G, B, …]`` at every observation time.

        Raises:
            DivergenceError: if a rollout is no longer finite.
        """
        tangents = self._unit_tangents(len(numbers))
        yield from self.along(unknowns, numbers, instants, tangents)

    def along(
        self,
        unknowns: np.ndarray,
        numbers: Sequence[int],
        instants: Sequence[ObservationTime],
        tangents: Tangents,
    ) -> Generator[tuple[ObservationTime, States, States], None, None]:
        """The same with derivatives along any directions.

        Raises:
            DivergenceError: if a rollout is no longer finite.
        """
        if not self._model.discretization.has_forward_mode:
            yield from self._differences(unknowns, numbers, instants, tangents)
            return
        count = len(tangents.parameters)
        num_groups = -(-count * self._observations.state_size * len(numbers) // CHUNK_VALUES)
        # Groups of one size share a graph; the last one is filled up with zeros.
        size = -(-count // num_groups)
        groups = [tangents.group(first, size) for first in range(0, count, size)]
        with forward_ad.dual_level():
            for instant, values, slopes in self._lockstep(unknowns, numbers, instants, groups):
                yield instant, values, {name: slope[:count] for name, slope in slopes.items()}

    def _lockstep(
        self,
        unknowns: np.ndarray,
        numbers: Sequence[int],
        instants: Sequence[ObservationTime],
        groups: Sequence[Tangents],
    ) -> Generator[tuple[ObservationTime, States, States], None, None]:
        runs = [self._group_run(unknowns, numbers, instants, group) for group in groups]
        for instant, *states in zip(instants, *runs, strict=True):
            primal: States = {}
            slopes: States = {}
            for name in self._observations.fields:
                parts = [forward_ad.unpack_dual(state[name]) for state in states]
                primal[name] = parts[0].primal[: len(numbers)].unsqueeze(0)
                tangents = joined([tangent for _, tangent in parts], 0)
                slopes[name] = tangents.reshape(-1, len(numbers), *tangents.shape[1:])
            yield instant, primal, slopes

    def _group_run(
        self,
        unknowns: np.ndarray,
        numbers: Sequence[int],
        instants: Sequence[ObservationTime],
        group: Tangents,
    ) -> Iterator[States]:
        """Rollouts ``[G·B, C, *space]`` with the tangents of a group of directions."""
        size, observations, count = len(self._vector), self._observations, len(group.parameters)
        point = torch.from_numpy(np.array(unknowns))
        decoded = [
            self._vector.decode(forward_ad.make_dual(point[:size], along))
            for along in group.parameters
        ]
        learned: States = {}
        for name in self._vector.parameters:
            tangents = _tangents([each[name] for each in decoded])
            if bool(tangents.any()):
                learned[name] = tangents
        parameters = {name: plain(value) for name, value in decoded[0].items()}
        if self._states is None:
            start = observations.initial(numbers)
            slopes = {name: torch.zeros(count, *start[name].shape).double() for name in start}
        else:
            assert group.states is not None
            start = self._states.states(point[size:], numbers)
            slopes = self._states.to_fields(group.states)
        state = {}
        for name in observations.fields:
            values = torch.cat([start[name]] * count)
            state[name] = forward_ad.make_dual(values, slopes[name].flatten(0, 1))
        return self._model.rollout(
            state,
            observations.grid,
            len(instants),
            [instant.interval for instant in instants],
            parameters,
            [f"window {number}" for _ in range(count) for number in numbers],
            conditions_at(observations.conditions(numbers, count), instants),
            Directions(count, learned),
            EXPECTED_ROLLOUTS,
        )

    def _unit_tangents(self, windows: int) -> Tangents:
        """A direction for each parameter, then one for each value of a state.

        That of a value of a state changes it in all windows at once.
        """
        size, count = len(self._vector), self._count
        unit = torch.eye(count, dtype=torch.float64)
        if self._states is None:
            return Tangents(unit)
        states = unit[:, size:].unsqueeze(1).expand(count, windows, count - size)
        return Tangents(unit[:, :size], states)

    def run(
        self,
        points: Sequence[torch.Tensor],
        numbers: Sequence[int],
        instants: Sequence[ObservationTime],
    ) -> Iterator[States]:
        """Rollouts of the windows ``[G·B, C, *space]`` from each of several points."""
        size, observations = len(self._vector), self._observations
        decoded = [self._vector.decode(point[:size]) for point in points]
        conditions = observations.conditions(numbers, len(points))
        if len(points) == 1:
            parameters = decoded[0]
        else:
            # Learnable parameters differ within the batch; the others are shared.
            parameters = {n: v for n, v in decoded[0].items() if n not in self._vector.parameters}
            learned = {
                name: torch.cat([_repeat(each[name], len(numbers)) for each in decoded])
                for name in self._vector.parameters
            }
            parameters |= {name: decoded[0][name] for name in learned}
            conditions = Conditions({**conditions.constant, **learned}, conditions.series)
        if self._states is None:
            initial = observations.initial(numbers)
            state = {name: torch.cat([value] * len(points)) for name, value in initial.items()}
        else:
            starts = [self._states.states(point[size:], numbers) for point in points]
            state = {name: torch.cat([s[name] for s in starts]) for name in observations.fields}
        entries = [f"window {number}" for _ in points for number in numbers]
        return self._model.rollout(
            state,
            observations.grid,
            len(instants),
            [instant.interval for instant in instants],
            parameters,
            entries,
            conditions_at(conditions, instants),
            rollouts=EXPECTED_ROLLOUTS,
        )

    def _differences(
        self,
        unknowns: np.ndarray,
        numbers: Sequence[int],
        instants: Sequence[ObservationTime],
        tangents: Tangents,
    ) -> Generator[tuple[ObservationTime, States, States], None, None]:
        """Derivatives by central differences; the shifted points are batch entries."""
        point, size = torch.from_numpy(np.array(unknowns)), len(self._vector)
        shifts, widths = [], []
        for entry, along in enumerate(tangents.parameters):
            shift = torch.zeros_like(point)
            shift[:size] = along
            if self._states is not None and tangents.states is not None:
                own = shift[size:].reshape(-1, self._states.size)
                own[list(numbers)] = tangents.states[entry]
            largest = float(shift.abs().max()) or 1.0
            reach = float((shift * point)[:size].abs().max())
            step = _DIFFERENCE * max(1.0, reach / largest) / largest
            shifts.append(step * shift)
            widths.append(2 * step)
        points = [point, *(point + s for s in shifts), *(point - s for s in shifts)]
        width = torch.tensor(widths, dtype=torch.float64)
        for instant, state in zip(instants, self.run(points, numbers, instants), strict=True):
            primal, slopes = {}, {}
            for name in self._observations.fields:
                each = state[name].reshape(len(points), len(numbers), *state[name].shape[1:])
                above, below = each[1:].split(len(shifts))
                primal[name] = each[:1]
                slopes[name] = (above - below) / width.reshape(-1, *(1,) * (above.ndim - 1))
            yield instant, primal, slopes


def _tangents(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """The tangents ``[G, …]``."""
    pairs = [forward_ad.unpack_dual(tensor) for tensor in tensors]
    return torch.stack([torch.zeros_like(u) if slope is None else slope for u, slope in pairs])


def _repeat(value: torch.Tensor, size: int) -> torch.Tensor:
    return value.unsqueeze(0).expand(size, *value.shape)


def _load_forward_mode() -> None:
    """Load PyTorch's forward-mode rules, without the deprecation warning of the first use."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        forward_ad.make_dual(torch.zeros(()), torch.zeros(()))
