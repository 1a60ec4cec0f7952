"""Simulations generated with the calibrated physical model, kept on disk."""

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

import torch

from src.config.schema import Experiment, GaussianRandomField
from src.data.cache_manager import CacheManager
from src.data.grid import FieldLayout
from src.data.initial_conditions import State, gaussian_random_state, resembling_state
from src.data.simulation_store import SimulationStore
from src.errors import DivergenceError
from src.models.physical.generation import Recording, Start, generate, projections
from src.models.physical.physical_model import PhysicalModel
from src.models.physical.roles import match_roles
from src.training.hybrid.originals import Original, digest_of, generated_steps

logger = logging.getLogger(__name__)

# keeps the random numbers of generated simulations apart from those of simulated raw files, which
# may be drawn with the same seed
STREAM = 1
# More numbers of a parameter than this are a field, of which the provenance keeps the digest.
MAX_NUMBERS = 8


class Augmentation:
    """Draws initial states and runs them.

    They are drawn as ``augmentation.initial_condition`` says, else as those of the raw files that
    ``generation_params`` describes, else they resemble those of the training simulations. One
    training simulation after the other is the original of a generated one, which takes over its
    known parameters.

    Args:
        experiment: Sections ``augmentation``, ``run_params``, ``trainer_params``.
        model: The calibrated model.
        real: The training simulations, which give grid, dt, number of steps and initial states.
        store: Where the generated simulations go.
        code: Digest of the code, if the caller knows it: what other code made is made anew.

    Raises:
        ConfigError: if more steps are asked for than known parameters that change in time have.
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
        self._layouts = _dynamic(model, real.layouts)
        self._originals = [Original.of(i, real.load(i), self._layouts) for i in train]
        steps = generated_steps(experiment.augmentation.steps, self._originals)
        kinds = self._originals[0].kinds
        self._recording = Recording(real.grid, self._layouts, steps, real.dt, kinds)
        names = [each.name for each in self._layouts]
        self._solenoidal = projections(model.spec, names, real.grid)
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
        for index, fields in generate(self.model, self._recording, self._start, missing):
            self._write(index, fields)
        made = [index for index in indices if self.store.exists(index)]
        if indices and not made:
            raise DivergenceError(
                f"all {len(indices)} generated simulations diverged; calibrate the model first, "
                "or lower augmentation.initial_condition.amplitude"
            )
        return made

    def _original(self, index: int) -> Original:
        return self._originals[index % len(self._originals)]

    def _start(self, index: int) -> Start:
        condition, original = self._condition, self._original(index)
        grid, entropy = self._recording.grid, (self._seed, STREAM, index)
        if isinstance(condition, GaussianRandomField):
            state = gaussian_random_state(
                grid, self._layouts, condition, entropy, original.walls, self._solenoidal
            )
        else:
            state = resembling_state(
                original.state, grid, entropy, original.walls, self._solenoidal
            )
        return Start(state, original.first_values(self._recording.steps + 1))

    def _write(self, index: int, fields: State) -> None:
        recording = self._recording
        known, tensors = self._original(index).recorded(recording.steps + 1)
        self.store.write(
            index,
            {**fields, **tensors},
            recording.grid,
            recording.dt,
            {**self._provenance, "code": self._code},
            recording.layouts,
            known,
        )

    def _is_made(self, index: int) -> bool:
        if not self.store.exists(index):
            return False
        source = dict(self.store.header(index).source)
        code = source.pop("code", None)
        return self._code in ("", code) and source == self._provenance

    def _describe(self) -> dict[str, Any]:
        """All that decides a generated simulation, as JSON types."""
        parameters = {
            name: _described(value.detach()) for name, value in self.model.named_parameters()
        }
        condition = self._condition
        return {
            "equation": self.model.spec.name,
            "parameters": parameters,
            "numerics": self.model.numerics.model_dump(mode="json"),
            "discretization": self.model.discretization.label,
            "initial_condition": condition.model_dump() if condition else {"type": "resembling"},
            "originals": digest_of(self._originals, self._recording.steps + 1),
            "grid": self._recording.grid.to_dict(),
            "dt": self._recording.dt,
            "seed": self._seed,
            "steps": self._recording.steps,
        }


def _described(value: torch.Tensor) -> Any:
    """A parameter as JSON types: its numbers, of a field the digest of its values."""
    if value.numel() <= MAX_NUMBERS:
        return value.tolist()
    return {
        "shape": list(value.shape),
        "sha256": hashlib.sha256(value.numpy().tobytes()).hexdigest(),
    }


def _dynamic(model: PhysicalModel, layouts: Sequence[FieldLayout]) -> list[FieldLayout]:
    """The layouts of the equation's fields as they are called in the data."""
    roles = match_roles(model.spec, [each.name for each in layouts if not each.static])
    return [each for each in layouts if each.name in roles.values()]
