"""Rollouts with forward-mode derivatives with respect to all unknowns, in lockstep.

Layout of native tensors: ``G`` unknowns, ``B`` windows, ``C`` channels, ``X Y Z`` space.
"""

import warnings
from collections.abc import Generator, Iterator, Sequence

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

States = dict[str, torch.Tensor]
# Rollouts that a compiled graph serves in a calibration: each scheme and grid has its own graphs.
EXPECTED_ROLLOUTS = 8
# Relative step of central differences, for schemes without forward mode: the cube root of machine
# precision balances rounding and truncation errors.
_DIFFERENCE = 6e-6


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
        if not self._model.discretization.has_forward_mode:
            yield from self._differences(unknowns, numbers, instants)
            return
        values = self._observations.state_size * len(numbers)
        num_groups = -(-self._count * values // CHUNK_VALUES)
        # Groups of one size share a graph; the last one is filled up with zeros.
        size = -(-self._count // num_groups)
        groups = [range(first, first + size) for first in range(0, self._count, size)]
        with forward_ad.dual_level():
            yield from self._lockstep(unknowns, numbers, instants, groups)

    def _lockstep(
        self,
        unknowns: np.ndarray,
        numbers: Sequence[int],
        instants: Sequence[ObservationTime],
        groups: Sequence[Sequence[int]],
    ) -> Generator[tuple[ObservationTime, States, States], None, None]:
        runs = [self._group_run(unknowns, numbers, instants, group) for group in groups]
        for instant, *states in zip(instants, *runs, strict=True):
            primal: States = {}
            slopes: States = {}
            for name in self._observations.fields:
                parts = [forward_ad.unpack_dual(state[name]) for state in states]
                primal[name] = parts[0].primal[: len(numbers)].unsqueeze(0)
                tangents = torch.cat([tangent for _, tangent in parts])
                joined = tangents.reshape(-1, len(numbers), *tangents.shape[1:])
                slopes[name] = joined[: self._count]
            yield instant, primal, slopes

    def _group_run(
        self,
        unknowns: np.ndarray,
        numbers: Sequence[int],
        instants: Sequence[ObservationTime],
        group: Sequence[int],
    ) -> Iterator[States]:
        """Rollouts ``[G·B, C, *space]`` with the tangents of a group of unknowns."""
        size, observations = len(self._vector), self._observations
        duals = [self._dual(unknowns, entry) for entry in group]
        decoded = [self._vector.decode(dual[:size]) for dual in duals]
        learned: States = {}
        for name in self._vector.parameters:
            values, tangents = _stacked([each[name] for each in decoded])
            if bool(tangents.any()):
                learned[name] = tangents
        parameters = {name: plain(value) for name, value in decoded[0].items()}
        if self._states is None:
            initial = observations.initial(numbers)
            starts = [initial] * len(group)
        else:
            starts = [self._states.states(dual[size:], numbers) for dual in duals]
        state = {}
        for name in observations.fields:
            values, tangents = _stacked([start[name] for start in starts])
            state[name] = forward_ad.make_dual(values.flatten(0, 1), tangents.flatten(0, 1))
        return self._model.rollout(
            state,
            observations.grid,
            len(instants),
            [instant.interval for instant in instants],
            parameters,
            [f"window {number}" for _ in group for number in numbers],
            conditions_at(observations.conditions(numbers, len(group)), instants),
            Directions(len(group), learned),
            EXPECTED_ROLLOUTS,
        )

    def _dual(self, unknowns: np.ndarray, entry: int) -> torch.Tensor:
        """The unknowns with a unit tangent along one of them; of zeros beyond the last one.

        The tangent of an initial-state value is set in all windows at once.
        """
        point = torch.from_numpy(np.array(unknowns))
        tangent = torch.zeros_like(point)
        size = len(self._vector)
        if entry < size:
            tangent[entry] = 1.0
        elif entry < self._count:
            assert self._states is not None
            tangent[size:].reshape(-1, self._states.size)[:, entry - size] = 1.0
        return forward_ad.make_dual(point, tangent)

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
        self, unknowns: np.ndarray, numbers: Sequence[int], instants: Sequence[ObservationTime]
    ) -> Generator[tuple[ObservationTime, States, States], None, None]:
        """Derivatives by central differences; the shifted points are batch entries."""
        point = torch.from_numpy(np.array(unknowns))
        shifts = []
        for entry in range(self._count):
            shift = torch.zeros_like(point)
            if entry < len(self._vector):
                shift[entry] = _DIFFERENCE * max(1.0, abs(float(point[entry])))
            else:
                assert self._states is not None
                own = shift[len(self._vector) :].reshape(-1, self._states.size)
                own[:, entry - len(self._vector)] = _DIFFERENCE
            shifts.append(shift)
        points = [point, *(point + s for s in shifts), *(point - s for s in shifts)]
        widths = torch.stack([2 * s.abs().max() for s in shifts])
        for instant, state in zip(instants, self.run(points, numbers, instants), strict=True):
            primal, slopes = {}, {}
            for name in self._observations.fields:
                each = state[name].reshape(len(points), len(numbers), *state[name].shape[1:])
                above, below = each[1:].split(self._count)
                primal[name] = each[:1]
                slopes[name] = (above - below) / widths.reshape(-1, *(1,) * (above.ndim - 1))
            yield instant, primal, slopes


def _stacked(tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and tangents ``[G, …]``."""
    pairs = [forward_ad.unpack_dual(tensor) for tensor in tensors]
    return (
        torch.stack([value for value, _ in pairs]),
        torch.stack([torch.zeros_like(u) if slope is None else slope for u, slope in pairs]),
    )


def _repeat(value: torch.Tensor, size: int) -> torch.Tensor:
    return value.unsqueeze(0).expand(size, *value.shape)


def _load_forward_mode() -> None:
    """Load PyTorch's forward-mode rules, without the deprecation warning of the first use."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        forward_ad.make_dual(torch.zeros(()), torch.zeros(()))
