"""Guidance: the surrogate's predictions of values that are not observed.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from typing import Any

import torch

from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.cache_file import CachedSimulation
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.initial_states.random_fields import resembling_state
from hybrid_pde.domain.known_values import TENSOR_PREFIX
from hybrid_pde.errors import ExchangeError
from hybrid_pde.models.physical.ensemble import projections
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.models.synthetic.synthetic_predictor import SyntheticPredictor
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.augmentation.source_simulations import SourceSimulation
from hybrid_pde.training.synthetic.observed_frames import FilledSimulation, ObservedFrames

# separates these random numbers from those of generated simulations
STREAM = 2

Tensors = dict[str, torch.Tensor]


class GuidanceMaker:
    """Writes rollouts of a surrogate for the next calibration.

    If values of training simulations are hidden, the surrogate is rolled out from the first fully
    observed frame of each of these to the last frame. If nothing is hidden, it is rolled out over
    ``trainer_params.physical.num_predict_steps`` frames from new initial states, one for each
    training simulation, which resemble theirs. A prediction begins with the start of its rollout
    and ends before the first frame that is not finite. Its ``source`` has the number of the
    ``simulation``, the first ``frame``, and whether its initial state is ``new``.

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
        """Predict, and replace earlier predictions.

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
                "hybrid.cycles: the synthetic model has no prediction for the physical model: no "
                "simulation with hidden values has a fully observed frame, or its predictions "
                "are not finite; see the error of synthetic_model.pt, and "
                "trainer_params.physical.initial_state"
            )
        return made

    def _predict_hidden(self, index: int, seen: FilledSimulation) -> None:
        first = seen.first_whole
        channels = [layout.channels for layout in self._layouts]
        parts = seen.values[first].split(channels)
        state = {layout.name: part for layout, part in zip(self._layouts, parts, strict=True)}
        self._write(index, index, first, state, len(seen.values) - 1 - first, is_new=False)

    def _predict_new(self, position: int, index: int) -> None:
        training = self._experiment.trainer_params.physical
        source = SourceSimulation.of(index, self._real.load(index), self._layouts)
        entropy = (self._experiment.run_params.seed, STREAM, position)
        grid, solenoidal = self._real.grid, {}
        if self._experiment.model.physical is not None:
            spec = ModelRegistry(self._experiment).physical_class().spec
            solenoidal = projections(spec, [layout.name for layout in self._layouts], grid)
        drawn = resembling_state(source.state, grid, entropy, source.walls, solenoidal)
        state = {
            name: torch.from_numpy(values).to(source.fields[name].dtype)
            for name, values in drawn.items()
        }
        self._write(position, index, 0, state, training.num_predict_steps, is_new=True)

    def _write(
        self, number: int, index: int, first: int, state: Tensors, steps: int, *, is_new: bool
    ) -> None:
        """Roll out from a frame of a training simulation, and write the finite frames."""
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
            warn_of_result(
                f"the surrogate's rollout on simulation {index} is not finite from frame "
                f"{first + count} on, so the calibration is not guided there"
            )
        if count < 2:
            return
        known, tensors = SourceSimulation.of(index, simulation, []).at(first).recorded(count)
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
        """Inputs of the surrogate from a simulation, ``[1, …]`` by name."""
        found = {layout.name: simulation.fields[layout.name] for layout in simulation.layouts}
        found = {name: values[None] for name, values in found.items() if name not in state}
        found |= {name: values[None] for name, values in state.items()}
        for kind in simulation.header.known:
            values = simulation.known[kind.name]
            found[TENSOR_PREFIX + kind.name] = (values if kind.static else values[first:])[None]
        return found
