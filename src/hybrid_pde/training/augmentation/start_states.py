"""Initial states of generated simulations.

Layout: ``C`` channels, ``X Y Z`` space.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_pde.config.schema import DrawnState, Experiment, GivenStates, PerturbedField
from hybrid_pde.data.initial_states.drawn_states import drawn_state
from hybrid_pde.data.initial_states.random_fields import (
    Projection,
    State,
    perturbed_state,
    resembling_state,
)
from hybrid_pde.data.initial_states.states_from_file import StatesFromFile
from hybrid_pde.models.physical.ensemble import Recording
from hybrid_pde.training.augmentation.source_simulations import SourceSimulation

# keeps the random numbers of generated simulations apart from those of simulated raw files, which
# may be drawn with the same seed; and those of one simulation from each other
STREAM, FRAME = 1, 1


class StartStates:
    """Initial states by simulation.

    They are drawn as ``augmentation.initial_condition`` says, else as in ``generation_params``,
    else they resemble those of the training simulations. Generated simulations take the training
    simulations as their sources in turn.

    Args:
        experiment: Sections ``augmentation``, ``generation_params``, ``run_params`` and ``data``.
        sources: The training simulations.
        recording: Grid, fields and steps of the generated simulations.
        solenoidal: Projections of the fields without divergence, by name.

    Raises:
        ConfigError: if a file of initial states is absent or does not fit.
    """

    def __init__(
        self,
        experiment: Experiment,
        sources: Sequence[SourceSimulation],
        recording: Recording,
        solenoidal: Mapping[str, Projection],
    ) -> None:
        self.condition = experiment.augmentation.initial_condition
        if self.condition is None and experiment.generation_params is not None:
            self.condition = experiment.generation_params.initial_condition
        self._seed = experiment.run_params.seed
        self._sources, self._recording = sources, recording
        self._solenoidal = solenoidal
        self._given: StatesFromFile | None = None
        if isinstance(self.condition, GivenStates):
            path = Path(experiment.project_root) / self.condition.path
            layouts, units = recording.layouts, recording.units
            self._given = StatesFromFile(path, experiment.data, recording.grid, layouts, units)

    def source(self, index: int) -> SourceSimulation:
        """Source of a generated simulation, at its start frame."""
        chosen = self._sources[index % len(self._sources)]
        if not isinstance(self.condition, PerturbedField):
            return chosen
        generator = np.random.default_rng((self._seed, STREAM, index, FRAME))
        return chosen.at(int(generator.integers(chosen.last_start(self._recording.steps) + 1)))

    def state(self, index: int) -> State:
        """The initial state ``[C, *space]`` of each field."""
        condition, source = self.condition, self.source(index)
        recording, entropy = self._recording, (self._seed, STREAM, index)
        grid, walls, solenoidal = recording.grid, source.walls, self._solenoidal
        if self._given is not None:
            return self._given.state(index)
        if isinstance(condition, DrawnState):
            layouts = recording.layouts
            return drawn_state(grid, layouts, condition, entropy, walls, solenoidal)
        if isinstance(condition, PerturbedField):
            amplitude = condition.amplitude
            return perturbed_state(source.state, grid, amplitude, entropy, walls, solenoidal)
        return resembling_state(source.state, grid, entropy, walls, solenoidal)

    def describe(self) -> dict[str, Any]:
        """The distribution of the states as JSON types, without the path of a file."""
        if self.condition is None:
            return {"type": "resembling"}
        return self.condition.model_dump(exclude={"path"})

    def describe_one(self, index: int) -> dict[str, Any]:
        """Source and digest of one simulation's state, unless it is drawn from the seed alone."""
        if self._given is not None:
            return {"state": _digest(self._given.state(index))}
        if isinstance(self.condition, PerturbedField):
            source = self.source(index)
            place = {"simulation": source.number, "frame": source.frame}
            return {"source_simulation": place, "state": _digest(source.state)}
        return {}


def _digest(state: State) -> str:
    hashed = hashlib.sha256()
    for values in state.values():
        hashed.update(np.ascontiguousarray(values).tobytes())
    return hashed.hexdigest()
