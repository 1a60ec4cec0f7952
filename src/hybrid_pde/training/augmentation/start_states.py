"""What generated simulations start from.

Layout: ``C`` channels, ``X Y Z`` space.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_pde.config.schema import Experiment, GaussianRandomField, GivenStates, PerturbedField
from hybrid_pde.data.initial_states.random_fields import (
    Projection,
    State,
    gaussian_random_state,
    perturbed_state,
    resembling_state,
)
from hybrid_pde.data.initial_states.states_from_file import StatesFromFile
from hybrid_pde.models.physical.ensemble import Recording
from hybrid_pde.training.augmentation.source_simulations import Original

# keeps the random numbers of generated simulations apart from those of simulated raw files, which
# may be drawn with the same seed; and those of one simulation from each other
STREAM, FRAME = 1, 1


class Starts:
    """Initial states by simulation.

    They are drawn as ``augmentation.initial_condition`` says, else as those of the raw files that
    ``generation_params`` describes, else they resemble those of the training simulations. One
    training simulation after the other is the original of a generated one.

    Args:
        experiment: Sections ``augmentation``, ``generation_params``, ``run_params`` and ``data``.
        originals: The training simulations.
        recording: What is simulated.
        solenoidal: What takes the divergence away, by field in which it has to vanish.

    Raises:
        ConfigError: if a file of initial states is absent or does not fit.
    """

    def __init__(
        self,
        experiment: Experiment,
        originals: Sequence[Original],
        recording: Recording,
        solenoidal: Mapping[str, Projection],
    ) -> None:
        self.condition = experiment.augmentation.initial_condition
        if self.condition is None and experiment.generation_params is not None:
            self.condition = experiment.generation_params.initial_condition
        self._seed = experiment.run_params.seed
        self._originals, self._recording = originals, recording
        self._solenoidal = solenoidal
        self._given: StatesFromFile | None = None
        if isinstance(self.condition, GivenStates):
            path = Path(experiment.project_root) / self.condition.path
            layouts = recording.layouts
            self._given = StatesFromFile(path, experiment.data, recording.grid, layouts)

    def original(self, index: int) -> Original:
        """The training simulation that one takes after, from the frame on that it starts at."""
        chosen = self._originals[index % len(self._originals)]
        if not isinstance(self.condition, PerturbedField):
            return chosen
        generator = np.random.default_rng((self._seed, STREAM, index, FRAME))
        return chosen.at(int(generator.integers(chosen.last_start(self._recording.steps) + 1)))

    def state(self, index: int) -> State:
        """The initial state ``[C, *space]`` of each field."""
        condition, original = self.condition, self.original(index)
        recording, entropy = self._recording, (self._seed, STREAM, index)
        grid, walls, solenoidal = recording.grid, original.walls, self._solenoidal
        if self._given is not None:
            return self._given.state(index)
        if isinstance(condition, GaussianRandomField):
            layouts = recording.layouts
            return gaussian_random_state(grid, layouts, condition, entropy, walls, solenoidal)
        if isinstance(condition, PerturbedField):
            amplitude = condition.amplitude
            return perturbed_state(original.state, grid, amplitude, entropy, walls, solenoidal)
        return resembling_state(original.state, grid, entropy, walls, solenoidal)

    def describe(self) -> dict[str, Any]:
        """How states are drawn, as JSON types; the path of a file is none of it."""
        if self.condition is None:
            return {"type": "resembling"}
        return self.condition.model_dump(exclude={"path"})

    def describe_one(self, index: int) -> dict[str, Any]:
        """What decides one simulation's state and is not in the description of all."""
        if self._given is not None:
            return {"state": _digest(self._given.state(index))}
        if isinstance(self.condition, PerturbedField):
            original = self.original(index)
            place = {"simulation": original.number, "frame": original.frame}
            return {"original": place, "state": _digest(original.state)}
        return {}


def _digest(state: State) -> str:
    hashed = hashlib.sha256()
    for values in state.values():
        hashed.update(np.ascontiguousarray(values).tobytes())
    return hashed.hexdigest()
