"""What the surrogate predicts where nothing is seen, for the next calibration.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

import logging
from typing import Any

import numpy as np
import torch

from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.cache_file import CachedSimulation
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.initial_states.random_fields import resembling_state
from hybrid_pde.domain.known_values import TENSOR_PREFIX
from hybrid_pde.errors import ExchangeError
from hybrid_pde.evaluation.synthetic_predictor import SyntheticPredictor
from hybrid_pde.models.physical.ensemble import projections
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.training.augmentation.source_simulations import Original
from hybrid_pde.training.synthetic.observed_frames import ObservedFrames, SeenSimulation

logger = logging.getLogger(__name__)

# keeps these random numbers apart from those of generated simulations
STREAM = 2

Tensors = dict[str, torch.Tensor]


class GuidanceMaker:
    """Rolls a surrogate out where a calibration sees nothing, and writes what it predicts.

    Where values of training simulations are hidden, it is rolled out over these, from the first
    state that is known as a whole to the last frame. Where nothing is hidden, it is rolled out over
    ``trainer_params.physical.num_predict_steps`` frames from as many new initial states, which
    resemble those of the training simulations. A simulation in the store begins with the state that
    its rollout starts from, and ends before the first frame that is not finite; ``source`` says
    which ``simulation`` it is of, from which ``frame`` on, and whether it is ``new``.

    Args:
        experiment: Sections ``data.observations``, ``trainer_params.physical``, ``model`` and
            ``run_params``.
        real: The training simulations.
        model: The surrogate.
        store: Where the predictions go.
    """

    def __init__(
        self,
        experiment: Experiment,
        real: SimulationStore,
        model: SyntheticModel,
        store: CacheManager,
    ) -> None:
        self._experiment, self._real, self._store = experiment, real, store
        self._predict = SyntheticPredictor(model)
        named = {layout.name: layout for layout in real.layouts}
        self._layouts = [named[name] for name in model.output_specs]
        self._train = experiment.trainer_params.physical.train_sim

    def make(self) -> list[int]:
        """Predict, in the place of what was predicted before.

        Returns:
            The simulations in the store.

        Raises:
            ExchangeError: if no prediction is finite.
        """
        for index in self._store.indices():
            self._store.path(index).unlink()
        frames = ObservedFrames(self._real, self._layouts, self._experiment, None)
        hides = False
        for index in self._train:
            seen = frames.read(index)
            hides = hides or seen.hides
            if seen.hides and seen.first_whole + 1 < len(seen.values):
                self._predict_hidden(index, seen)
        if not hides:
            for position, index in enumerate(self._train):
                self._predict_new(position, index)
        made = self._store.indices()
        if not made:
            raise ExchangeError(
                "hybrid.cycles: the synthetic model has nothing to teach the physical one: no "
                "hidden simulation has a first state that is known as a whole, or its predictions "
                "are not finite; see the error of synthetic_model.pt, and "
                "trainer_params.physical.initial_state"
            )
        return made

    def _predict_hidden(self, index: int, seen: SeenSimulation) -> None:
        first = seen.first_whole
        channels = [layout.channels for layout in self._layouts]
        parts = seen.values[first].split(channels)
        state = {layout.name: part for layout, part in zip(self._layouts, parts, strict=True)}
        self._write(index, index, first, state, len(seen.values) - 1 - first, is_new=False)

    def _predict_new(self, position: int, index: int) -> None:
        training = self._experiment.trainer_params.physical
        original = Original.of(index, self._real.load(index), self._layouts)
        entropy = (self._experiment.run_params.seed, STREAM, position)
        grid, solenoidal = self._real.grid, {}
        if self._experiment.model.physical is not None:
            spec = ModelRegistry(self._experiment).physical_class().spec
            solenoidal = projections(spec, [layout.name for layout in self._layouts], grid)
        drawn = resembling_state(original.state, grid, entropy, original.walls, solenoidal)
        state = {
            name: torch.from_numpy(values.astype(np.float32)) for name, values in drawn.items()
        }
        self._write(position, index, 0, state, training.num_predict_steps, is_new=True)

    def _write(
        self, number: int, index: int, first: int, state: Tensors, steps: int, *, is_new: bool
    ) -> None:
        """Roll out from a state of a training simulation's frame, and keep what is finite."""
        simulation = self._real.load(index)
        predicted = self._predict(self._inputs(simulation, first, state), steps)
        fields = {
            name: torch.cat([values[None], predicted[name][0]]) for name, values in state.items()
        }
        finite = torch.stack(
            [torch.isfinite(values).flatten(1).all(dim=1) for values in fields.values()]
        )
        count = int(finite.all(dim=0).long().cumprod(dim=0).sum())
        if count <= steps:
            logger.warning(
                "the surrogate's rollout on simulation %d is not finite from frame %d on",
                index, first + count,
            )  # fmt: skip
        if count < 2:
            return
        known, tensors = Original.of(index, simulation, []).at(first).recorded(count)
        source: dict[str, Any] = {"simulation": index, "frame": first, "new": is_new}
        self._store.write(
            number,
            {**{name: values[:count] for name, values in fields.items()}, **tensors},
            self._real.grid,
            self._real.dt,
            source,
            self._layouts,
            known,
        )

    def _inputs(self, simulation: CachedSimulation, first: int, state: Tensors) -> Tensors:
        """What the surrogate may take from a simulation, ``[1, …]`` by name."""
        found = {layout.name: simulation.fields[layout.name] for layout in simulation.layouts}
        found = {name: values[None] for name, values in found.items() if name not in state}
        found |= {name: values[None] for name, values in state.items()}
        for kind in simulation.header.known:
            values = simulation.known[kind.name]
            found[TENSOR_PREFIX + kind.name] = (values if kind.static else values[first:])[None]
        return found
