"""Rollouts with forward-mode derivatives with respect to all unknowns, in lockstep.

Layout of native tensors: ``G`` unknowns, ``B`` windows, ``C`` channels, ``X Y Z`` space.
"""

import warnings
from collections.abc import Generator, Iterator, Sequence

import numpy as np
import torch
import torch.autograd.forward_ad as forward_ad

from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical.initial_state_unknowns import InitialStates
from hybrid_pde.training.physical.observation_times import ObservationTime, conditions_at
from hybrid_pde.training.physical.observations import CHUNK_VALUES, Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector

States = dict[str, torch.Tensor]
# Relative step of central differences, for schemes without forward mode: the cube root of machine
# precision balances rounding and truncation errors.
_DIFFERENCE = 6e-6


class TangentRollout:
    """Derivatives of rollouts with respect to parameters and initial states.

    Several unknowns form one batch, each with its own parameters. The initial states of all windows
    are differentiated at once, because each affects only its own window.

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
        values = self._observations.state_size * len(numbers)
        size = max(1, CHUNK_VALUES // values)
        groups = [range(self._count)[i : i + size] for i in range(0, self._count, size)]
        if self._model.discretization.has_forward_mode:
            with forward_ad.dual_level():
                yield from self._lockstep(unknowns, numbers, instants, groups)
        else:
            yield from self._differences(unknowns, numbers, instants)

    def _lockstep(
        self,
        unknowns: np.ndarray,
        numbers: Sequence[int],
        instants: Sequence[ObservationTime],
        groups: Sequence[Sequence[int]],
    ) -> Generator[tuple[ObservationTime, States, States], None, None]:
        runs = [self._dual_run(unknowns, numbers, instants, group) for group in groups]
        for instant, *states in zip(instants, *runs, strict=True):
            primal: States = {}
            slopes: States = {}
            for name in self._observations.fields:
                parts = [forward_ad.unpack_dual(state[name]) for state in states]
                first = parts[0].primal
                primal[name] = first.reshape(-1, len(numbers), *first.shape[1:])[:1]
                tangents = [
                    torch.zeros_like(value) if tangent is None else tangent
                    for value, tangent in parts
                ]
                joined = torch.cat(tangents)
                slopes[name] = joined.reshape(-1, len(numbers), *joined.shape[1:])
            yield instant, primal, slopes

    def _dual_run(
        self,
        unknowns: np.ndarray,
        numbers: Sequence[int],
        instants: Sequence[ObservationTime],
        group: Sequence[int],
    ) -> Iterator[States]:
        duals = [self._dual(unknowns, entry) for entry in group]
        return self.run(duals, numbers, instants)

    def _dual(self, unknowns: np.ndarray, entry: int) -> torch.Tensor:
        """The unknowns with a unit tangent along one of them.

        The tangent of an initial-state value is set in all windows at once.
        """
        point = torch.from_numpy(np.array(unknowns))
        tangent = torch.zeros_like(point)
        size = len(self._vector)
        if entry < size:
            tangent[entry] = 1.0
        else:
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


def _repeat(value: torch.Tensor, size: int) -> torch.Tensor:
    return value.unsqueeze(0).expand(size, *value.shape)


def _load_forward_mode() -> None:
    """Load PyTorch's forward-mode rules, without the deprecation warning of the first use."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        forward_ad.make_dual(torch.zeros(()), torch.zeros(()))
