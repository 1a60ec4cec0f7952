"""Simulations generated with the calibrated physical model, kept on disk."""

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from src.config.schema import Experiment, GaussianRandomField
from src.data.cache_manager import CacheManager
from src.data.grid import FieldLayout
from src.data.initial_conditions import gaussian_random_state, resembling_state
from src.data.simulation_store import SimulationStore
from src.errors import DivergenceError
from src.models.physical.generation import Recording, State, generate
from src.models.physical.physical_model import PhysicalModel
from src.models.physical.roles import match_roles

logger = logging.getLogger(__name__)

# keeps the random numbers of generated simulations apart from those of simulated raw files, which
# may be drawn with the same seed
STREAM = 1


class Augmentation:
    """Draws initial states and runs them.

    They are drawn as ``augmentation.initial_condition`` says, else as those of the raw files that
    ``generation_params`` describes, else they resemble those of the training simulations.

    Args:
        experiment: Sections ``augmentation``, ``run_params``, ``trainer_params``.
        model: The calibrated model.
        real: The training simulations, which give grid, dt, number of steps and initial states.
        store: Where the generated simulations go.
        code: Digest of the code, if the caller knows it: what other code made is made anew.
    """

    def __init__(
        self,
        experiment: Experiment,
        model: PhysicalModel,
        real: SimulationStore,
        store: CacheManager,
        code: str = "",
    ) -> None:
        self.model = model
        self.store = store
        self._condition = experiment.augmentation.initial_condition
        if self._condition is None and experiment.generation_params is not None:
            self._condition = experiment.generation_params.initial_condition
        self._seed = experiment.run_params.seed
        train = experiment.trainer_params.physical.train_sim
        simulations = [real.load(index) for index in train]
        self._layouts = _dynamic(model, real.layouts)
        steps = experiment.augmentation.steps or simulations[0].num_frames - 1
        self._recording = Recording(real.grid, self._layouts, steps, real.dt)
        self._originals = [
            {each.name: simulation.fields[each.name][0].double().numpy() for each in self._layouts}
            for simulation in simulations
        ]
        self._provenance = self._describe()
        self._code = code

    def make(self, indices: Sequence[int]) -> list[int]:
        """Generate those of ``indices`` that are not there yet with the same settings.

        Args:
            indices: The simulations wanted, e.g. a shard.

        Returns:
            The simulations that are there now; one that diverged is not among them.

        Raises:
            DivergenceError: if none of the simulations stayed finite.
        """
        missing = [index for index in indices if not self._is_made(index)]
        for index in missing:
            self.store.path(index).unlink(missing_ok=True)
        recording = self._recording
        provenance = {**self._provenance, "code": self._code}
        simulated = generate(self.model, recording, self._initial_state, missing)
        for index, fields in simulated:
            self.store.write(
                index, fields, recording.grid, recording.dt, provenance, recording.layouts
            )
        made = [index for index in indices if self.store.exists(index)]
        if indices and not made:
            raise DivergenceError(
                f"all {len(indices)} generated simulations diverged; calibrate the model first, "
                "or lower augmentation.initial_condition.amplitude"
            )
        return made

    def _initial_state(self, index: int) -> State:
        condition = self._condition
        entropy = (self._seed, STREAM, index)
        if isinstance(condition, GaussianRandomField):
            return gaussian_random_state(self._recording.grid, self._layouts, condition, entropy)
        return resembling_state(self._originals, entropy)

    def _is_made(self, index: int) -> bool:
        if not self.store.exists(index):
            return False
        source = dict(self.store.header(index).source)
        code = source.pop("code", None)
        return self._code in ("", code) and source == self._provenance

    def _describe(self) -> dict[str, Any]:
        """All that decides a generated simulation, as JSON types."""
        parameters = {
            name: np.asarray(value.detach()).tolist()
            for name, value in self.model.named_parameters()
        }
        condition = self._condition
        return {
            "equation": self.model.spec.name,
            "parameters": parameters,
            "numerics": self.model.numerics.model_dump(mode="json"),
            "discretization": self.model.discretization.label,
            "initial_condition": condition.model_dump() if condition else {"type": "resembling"},
            "resembled": _digest(self._originals),
            "grid": self._recording.grid.to_dict(),
            "dt": self._recording.dt,
            "seed": self._seed,
            "steps": self._recording.steps,
        }


def _digest(states: Sequence[State]) -> str:
    hashed = hashlib.sha256()
    for state in states:
        for values in state.values():
            hashed.update(np.ascontiguousarray(values).tobytes())
    return hashed.hexdigest()


def _dynamic(model: PhysicalModel, layouts: Sequence[FieldLayout]) -> list[FieldLayout]:
    """The layouts of the equation's fields as they are called in the data."""
    roles = match_roles(model.spec, [each.name for each in layouts if not each.static])
    return [each for each in layouts if each.name in roles.values()]
