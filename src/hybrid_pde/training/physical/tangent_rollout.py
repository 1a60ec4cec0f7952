"""Rollouts with derivatives by every unknown, in lockstep.

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
from hybrid_pde.training.physical.observation_times import Stop, conditions_at
from hybrid_pde.training.physical.observations import CHUNK_VALUES, Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector

States = dict[str, torch.Tensor]
# Relative step of central differences, where a scheme has no forward mode: the cube root of the
# rounding error balances it against the error of the difference.
_DIFFERENCE = 6e-6


class Tangents:
    """Derivatives of rollouts by parameters and initial states.

    Several unknowns are one batch, each with parameters of its own; unknown initial states of all
    windows are differentiated at once, since each concerns its window alone.

    Args:
        model: The equation.
        observations: The windows.
        vector: The learnable parameters.
        states: The initial states, where they are unknown.
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
        self, unknowns: np.ndarray, numbers: Sequence[int], stops: Sequence[Stop]
    ) -> Generator[tuple[Stop, States, States], None, None]:
        """At every stop the states ``[1, B, C, *space]`` and their derivatives ``[G, B, …]``.

        Raises:
            DivergenceError: if a rollout leaves the finite numbers.
        """
        values = self._observations.state_size * len(numbers)
        size = max(1, CHUNK_VALUES // values)
        groups = [range(self._count)[i : i + size] for i in range(0, self._count, size)]
        if self._model.discretization.has_forward_mode:
            with forward_ad.dual_level():
                yield from self._lockstep(unknowns, numbers, stops, groups)
        else:
            yield from self._differences(unknowns, numbers, stops)

    def _lockstep(
        self,
        unknowns: np.ndarray,
        numbers: Sequence[int],
        stops: Sequence[Stop],
        groups: Sequence[Sequence[int]],
    ) -> Generator[tuple[Stop, States, States], None, None]:
        runs = [self._dual_run(unknowns, numbers, stops, group) for group in groups]
        for stop, *states in zip(stops, *runs, strict=True):
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
            yield stop, primal, slopes

    def _dual_run(
        self,
        unknowns: np.ndarray,
        numbers: Sequence[int],
        stops: Sequence[Stop],
        group: Sequence[int],
    ) -> Iterator[States]:
        duals = [self._dual(unknowns, entry) for entry in group]
        return self.run(duals, numbers, stops)

    def _dual(self, unknowns: np.ndarray, entry: int) -> torch.Tensor:
        """The unknowns of one window with a tangent along one of them, ``[p + size]`` or ``[p]``.

        An initial state's tangent is that of every window's own state.
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
        self, points: Sequence[torch.Tensor], numbers: Sequence[int], stops: Sequence[Stop]
    ) -> Iterator[States]:
        """Rollouts of the windows ``[G·B, C, *space]`` from each of several points."""
        size, observations = len(self._vector), self._observations
        decoded = [self._vector.decode(point[:size]) for point in points]
        conditions = observations.conditions(numbers, len(points))
        if len(points) == 1:
            parameters = decoded[0]
        else:
            # Learned values differ within the batch; the others are shared.
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
            len(stops),
            [stop.interval for stop in stops],
            parameters,
            entries,
            conditions_at(conditions, stops),
        )

    def _differences(
        self, unknowns: np.ndarray, numbers: Sequence[int], stops: Sequence[Stop]
    ) -> Generator[tuple[Stop, States, States], None, None]:
        """Central differences, every shifted point a batch of simulations of its own."""
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
        for stop, state in zip(stops, self.run(points, numbers, stops), strict=True):
            primal, slopes = {}, {}
            for name in self._observations.fields:
                each = state[name].reshape(len(points), len(numbers), *state[name].shape[1:])
                above, below = each[1:].split(self._count)
                primal[name] = each[:1]
                slopes[name] = (above - below) / widths.reshape(-1, *(1,) * (above.ndim - 1))
            yield stop, primal, slopes


def _repeat(value: torch.Tensor, size: int) -> torch.Tensor:
    return value.unsqueeze(0).expand(size, *value.shape)


def _load_forward_mode() -> None:
    """Let PyTorch load its rules, which it does at the first use by a means it has deprecated."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        forward_ad.make_dual(torch.zeros(()), torch.zeros(()))
