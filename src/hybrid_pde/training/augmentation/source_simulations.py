"""The training simulations that generated ones take after.

Layout of native tensors: ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from hybrid_pde.data.cache.cache_file import CachedSimulation
from hybrid_pde.data.initial_states.random_fields import State
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.domain.known_values import KnownParameter, as_tuples
from hybrid_pde.errors import ConfigError


@dataclass(frozen=True)
class Original:
    """What generated simulations take over from a training simulation.

    Attributes:
        number: Its number.
        fields: ``[T, C, *space]`` of each field, memory maps.
        kinds: Its known parameters.
        known: Their values, as :class:`CachedSimulation` holds them.
        frame: The frame from which it is taken over.
    """

    number: int
    fields: Mapping[str, torch.Tensor]
    kinds: tuple[KnownParameter, ...]
    known: Mapping[str, torch.Tensor]
    frame: int = 0

    @classmethod
    def of(
        cls, number: int, simulation: CachedSimulation, layouts: Sequence[FieldLayout]
    ) -> "Original":
        """The original that a simulation is.

        Args:
            number: Its number.
            simulation: The simulation.
            layouts: The fields of which states are taken.
        """
        fields = {each.name: simulation.fields[each.name] for each in layouts}
        return cls(number, fields, simulation.header.known, simulation.known)

    def at(self, frame: int) -> "Original":
        """The same simulation from another of its frames on."""
        return replace(self, frame=frame)

    @property
    def num_frames(self) -> int:
        """Number of frames of the whole simulation."""
        return len(next(iter(self.fields.values())))

    @property
    def state(self) -> State:
        """Its state, ``[C, *space]`` for each field."""
        return {name: values[self.frame].double().numpy() for name, values in self.fields.items()}

    @property
    def walls(self) -> dict[str, float]:
        """What walls hold at first, by ``boundary.<axis>.<side>``, where the simulation says it."""
        return {
            kind.name: float(value if kind.static else value[0])
            for kind in self.kinds
            if kind.name.startswith("boundary.")
            for value in [self.first_values(1)[kind.name]]
        }

    def last_start(self, steps: int) -> int:
        """The last frame that so many can follow: known parameters are known no longer."""
        changes = any(not kind.static for kind in self.kinds)
        return self.num_frames - 1 - (steps if changes else 0)

    def first_values(self, frames: int) -> dict[str, torch.Tensor]:
        """Values of the known parameters, of those that change in time the first so many."""
        span = slice(self.frame, self.frame + frames)
        return {
            kind.name: self.known[kind.name] if kind.static else self.known[kind.name][span]
            for kind in self.kinds
        }

    def recorded(self, frames: int) -> tuple[list[KnownParameter], dict[str, torch.Tensor]]:
        """The known parameters of a simulation of so many frames, as it is cached.

        Returns:
            The parameters with their numbers, and the tensors of those that are fields.
        """
        values = self.first_values(frames)
        kinds = [
            kind if kind.is_field else replace(kind, values=as_tuples(values[kind.name].tolist()))
            for kind in self.kinds
        ]
        return kinds, {kind.layout.name: values[kind.name] for kind in kinds if kind.is_field}


def generated_steps(asked: int | None, originals: Sequence[Original]) -> int:
    """How many frames after the first are generated.

    Args:
        asked: ``augmentation.steps``; by default as many as the first original has, or as the
            shortest has where known parameters change in time.
        originals: All of them.

    Raises:
        ConfigError: if known parameters that change in time are not known for so long.
    """
    series = [kind.name for kind in originals[0].kinds if not kind.static]
    if not series:
        return asked or originals[0].num_frames - 1
    shortest = min(originals, key=lambda original: original.num_frames)
    available = shortest.num_frames - 1
    if asked is not None and asked > available:
        raise ConfigError(
            f"augmentation.steps: {asked}: {', '.join(series)} change in time, and simulation "
            f"{shortest.number}, whose values are taken over, states them for {available} frames "
            "after its first; generate at most that, or leave the key out"
        )
    return asked or available


def digest_of(originals: Sequence[Original], frames: int) -> str:
    """Digest of all that simulations of so many frames take over."""
    hashed = hashlib.sha256()
    for original in originals:
        arrays = [*original.state.values()]
        arrays += [value.numpy() for value in original.first_values(frames).values()]
        for values in arrays:
            hashed.update(np.ascontiguousarray(values).tobytes())
    return hashed.hexdigest()
