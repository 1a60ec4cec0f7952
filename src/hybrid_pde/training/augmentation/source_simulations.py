"""Source simulations: training simulations that generated ones start from.

Layout of native tensors: ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from hybrid_pde.data.cache.cache_file import CachedSimulation
from hybrid_pde.data.initial_states.random_fields import State
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.domain.known_values import KnownParameter, as_tuples
from hybrid_pde.errors import ConfigError


@dataclass(frozen=True)
class SourceSimulation:
    """States and known parameters of a training simulation, for generated simulations.

    Attributes:
        number: Number of the simulation.
        fields: ``[T, C, *space]`` of each field, memory maps.
        kinds: Its known parameters.
        known: Their values, as :class:`CachedSimulation` holds them.
        frame: Frame that generated simulations start from.
        static: ``[C, *space]`` of each static field, which generated simulations have, too.
    """

    number: int
    fields: Mapping[str, torch.Tensor]
    kinds: tuple[KnownParameter, ...]
    known: Mapping[str, torch.Tensor]
    frame: int = 0
    static: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        number: int,
        simulation: CachedSimulation,
        layouts: Sequence[FieldLayout],
        static: Sequence[FieldLayout] = (),
    ) -> "SourceSimulation":
        """A cached simulation as a source.

        Args:
            number: Number of the simulation.
            simulation: The simulation.
            layouts: The fields of its states.
            static: The static fields that generated simulations get.
        """
        fields = {each.name: simulation.fields[each.name] for each in layouts}
        still = {each.name: simulation.fields[each.name] for each in static}
        return cls(number, fields, simulation.header.known, simulation.known, static=still)

    def at(self, frame: int) -> "SourceSimulation":
        """The same simulation with another start frame."""
        return replace(self, frame=frame)

    @property
    def num_frames(self) -> int:
        """Number of frames of the whole simulation."""
        return len(next(iter(self.fields.values())))

    @property
    def state(self) -> State:
        """State at the start frame, ``[C, *space]`` for each field."""
        return {name: values[self.frame].double().numpy() for name, values in self.fields.items()}

    @property
    def walls(self) -> dict[str, float]:
        """Boundary values at the start frame, by ``boundary.<axis>.<side>``, if they are known."""
        return {
            kind.name: float(value if kind.static else value[0])
            for kind in self.kinds
            if kind.name.startswith("boundary.")
            for value in [self.first_values(1)[kind.name]]
        }

    def last_start(self, steps: int) -> int:
        """The last start frame for rollouts of ``steps`` steps with known parameters."""
        changes = any(not kind.static for kind in self.kinds)
        return self.num_frames - 1 - (steps if changes else 0)

    def first_values(self, frames: int) -> dict[str, torch.Tensor]:
        """Values of the known parameters; ``frames`` values of those that change in time."""
        span = slice(self.frame, self.frame + frames)
        return {
            kind.name: self.known[kind.name] if kind.static else self.known[kind.name][span]
            for kind in self.kinds
        }

    def recorded(self, frames: int) -> tuple[list[KnownParameter], dict[str, torch.Tensor]]:
        """The known parameters of a generated simulation of ``frames`` frames, as it is cached.

        Returns:
            The parameters with their numbers, and the tensors of those that are fields.
        """
        values = self.first_values(frames)
        kinds = [
            kind if kind.is_field else replace(kind, values=as_tuples(values[kind.name].tolist()))
            for kind in self.kinds
        ]
        return kinds, {kind.layout.name: values[kind.name] for kind in kinds if kind.is_field}


def generated_steps(asked: int | None, sources: Sequence[SourceSimulation]) -> int:
    """Number of frames after the first of a generated simulation.

    Args:
        asked: ``augmentation.steps``; by default as many as the first source has, or as the
            shortest has if known parameters change in time.
        sources: The source simulations.

    Raises:
        ConfigError: if time-dependent parameters are known for fewer frames.
    """
    series = [kind.name for kind in sources[0].kinds if not kind.static]
    if not series:
        return asked or sources[0].num_frames - 1
    shortest = min(sources, key=lambda source: source.num_frames)
    available = shortest.num_frames - 1
    if asked is not None and asked > available:
        raise ConfigError(
            f"augmentation.steps: {asked}: {', '.join(series)} change in time, and simulation "
            f"{shortest.number}, which the values come from, has them for {available} frames "
            "after its first; generate at most that, or leave the key out"
        )
    return asked or available


def digest_of(sources: Sequence[SourceSimulation], frames: int) -> str:
    """Digest of the states and known parameters for simulations of ``frames`` frames."""
    hashed = hashlib.sha256()
    for source in sources:
        arrays = [*source.state.values()]
        arrays += [value.numpy() for value in source.first_values(frames).values()]
        arrays += [value.numpy() for value in source.static.values()]
        for values in arrays:
            hashed.update(np.ascontiguousarray(values).tobytes())
    return hashed.hexdigest()
