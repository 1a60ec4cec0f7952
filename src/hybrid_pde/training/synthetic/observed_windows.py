"""Windows for the surrogate of simulations of which only a part may be seen.

Layout: ``B`` windows, ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.data.windows.window_batch import Window, WindowBatch, collate_windows
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.synthetic.observed_frames import ObservedFrames, SeenSimulation

logger = logging.getLogger(__name__)


class WrappedWindows(Dataset[Any]):
    """Windows of the same fields, grid and simulations as those that they are made of.

    Args:
        windows: What they are made of.
    """

    def __init__(self, windows: HybridDataset) -> None:
        self.windows = windows
        self.grid: Grid = windows.grid
        self.dt: float = windows.dt

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The input fields in the order of their channels."""
        return self.windows.layouts

    @property
    def output_layouts(self) -> tuple[FieldLayout, ...]:
        """The target fields in the order of their channels."""
        return self.windows.output_layouts

    @property
    def store(self) -> SimulationStore:
        """The folder that the simulations are in."""
        return self.windows.store

    @property
    def sim_indices(self) -> list[int]:
        """The simulations."""
        return self.windows.sim_indices

    def __len__(self) -> int:
        return len(self.windows)

    def __iter__(self) -> Iterator[Window]:
        return (self[index] for index in range(len(self)))

    def __getitems__(self, indices: Sequence[int]) -> WindowBatch:
        return WindowBatch(*self.gather(indices))

    def gather(self, indices: Sequence[int]) -> Window:
        """Several windows as one batch."""
        raise NotImplementedError


class WeightedWindows(WrappedWindows):
    """Windows with the same weight for all targets at a place.

    An item is ``(input [C_in, *space], targets [T, C_out, *space], weights [T, C_out, *space])``.

    Args:
        windows: The windows.
        weights: Of every channel and place, ``[C_out, *space]``.
    """

    def __init__(self, windows: HybridDataset, weights: torch.Tensor) -> None:
        super().__init__(windows)
        self._weights = weights

    def __getitem__(self, index: int) -> Window:
        state, targets = self.windows[index]
        return state, targets, self._weights.expand_as(targets)

    def gather(self, indices: Sequence[int]) -> Window:
        """Several windows as one batch."""
        state, targets = self.windows.gather(indices)
        return state, targets, self._weights.expand_as(targets)


class ObservedWindows(WrappedWindows):
    """Windows behind what ``data.observations`` lets through, with a weight for every target.

    Seen values are those that a calibration sees, noise included, and weigh 1.

    With a physical model its rollout from the first state that is known as a whole takes the place
    of hidden values, and weighs ``hybrid.interaction_weight``. Windows then start at that state and
    at every frame after it.

    Without one a hidden value weighs nothing (what stands in its place is interpolated in time, for
    the normalisation alone), and windows start only where the whole state is seen. They are
    ``num_predict_steps`` long, or as much longer as it takes to come from one such state to the
    next, so that no seen value is left out: where a region or single points are seen, whole
    simulations. What is past a simulation's end weighs nothing.

    An item is ``(input [C_in, *space], targets [T, C_out, *space], weights [T, C_out, *space])``;
    where nothing is hidden, and there is noise alone, it has no weights. All simulations are kept
    in memory.

    Args:
        windows: All windows of the simulations, of one step where there is no physical model.
        experiment: Its observations, and the weight of predicted values.
        steps: Number of states that follow the first one of a window.
        physical: The calibrated model, if there is one.
        is_sliding: Whether windows may overlap.

    Raises:
        ConfigError: if nothing is seen that could be learned, or no state is known as a whole.
        DivergenceError: if the physical model's rollout leaves the finite numbers.
    """

    def __init__(
        self,
        windows: HybridDataset,
        experiment: Experiment,
        steps: int,
        physical: PhysicalModel | None = None,
        is_sliding: bool = True,
    ) -> None:
        super().__init__(windows)
        self._places = _places(windows.layouts, windows.output_layouts)
        frames = ObservedFrames(windows.store, windows.output_layouts, experiment, physical)
        self._simulations = {index: frames.read(index) for index in windows.sim_indices}
        self._weight = experiment.hybrid.interaction_weight
        self.is_filled = physical is not None
        self.num_predict_steps = steps
        if not self.is_filled:
            self.num_predict_steps = max(steps, *map(_widest_gap, self._simulations.values()))
        self._is_weighted = any(each.hides for each in self._simulations.values())
        self._chosen = self._choose(is_sliding)
        self._check(experiment)

    @property
    def parameters(self) -> dict[str, tuple[float, ...]]:
        """Numbers of the inputs that are parameters, for simulations that bring none along."""
        return self.windows.parameters

    def like(
        self, store: SimulationStore, sim_indices: Iterable[int]
    ) -> HybridDataset | WeightedWindows:
        """The same kind of windows of generated simulations.

        Their values weigh 1 where the data see a place at some time. Elsewhere the physical model
        that made them is a guess, there as in the place of hidden values, and they weigh
        ``hybrid.interaction_weight``.
        """
        windows = self.windows.like(store, sim_indices)
        places = [each.is_seen for each in self._simulations.values()]
        is_seen = torch.stack(places).any(dim=0)
        if bool(is_seen.all()):
            return windows
        return WeightedWindows(windows, torch.where(is_seen, 1.0, self._weight))

    def window(self, index: int) -> tuple[int, int]:
        """Simulation and first frame of a window."""
        return self.windows.window(self._chosen[index])

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Window:
        simulation, start = self.window(index)
        seen = self._simulations[simulation]
        state = self.windows[self._chosen[index]][0].clone()
        state[self._places] = seen.values[start]
        following = range(start + 1, start + 1 + self.num_predict_steps)
        last = len(seen.values) - 1
        frames = [min(frame, last) for frame in following]
        targets = seen.values[frames]
        if not self._is_weighted:
            return state, targets
        weights = seen.weights[frames]
        weights[[frame > last for frame in following]] = 0.0
        return state, targets, weights

    def gather(self, indices: Sequence[int]) -> Window:
        """Several windows as one batch."""
        return collate_windows([self[index] for index in indices])

    def _choose(self, is_sliding: bool) -> list[int]:
        """Numbers of the windows that start where the state is known."""
        chosen, free = [], dict.fromkeys(self._simulations, 0)
        for number in range(len(self.windows)):
            simulation, start = self.windows.window(number)
            seen = self._simulations[simulation]
            if self.is_filled:
                if start >= seen.first_whole:
                    chosen.append(number)
                continue
            last = start + self.num_predict_steps
            if not self._is_weighted and last >= len(seen.values):
                continue
            following = seen.weights[start + 1 : last + 1]
            is_free = is_sliding or start >= free[simulation]
            if is_free and bool(seen.is_whole[start]) and bool(following.any()):
                chosen.append(number)
                free[simulation] = last
        return chosen

    def _check(self, experiment: Experiment) -> None:
        section = experiment.data.observations
        if section is not None and section.sensors is not None and not self.is_filled:
            logger.warning(
                "data.observations.sensors: a surrogate learns from frames alone; what the sensors "
                "read is used in run_params.model_type: hybrid"
            )
        if not self._chosen:
            raise ConfigError(
                "data.observations: it leaves a surrogate nothing to learn: no window starts with "
                "a state that is seen as a whole and goes on to values that are seen; "
                "trainer_params.physical.initial_state: known gives it the first state, "
                "run_params.model_type: hybrid fills the rest"
            )
        left_out = [
            index
            for index, each in self._simulations.items()
            if each.first_whole >= len(each.values)
        ]
        if left_out:
            logger.warning("simulations %s are left out: no state is seen as a whole", left_out)


def _places(inputs: Sequence[FieldLayout], outputs: Sequence[FieldLayout]) -> list[int]:
    """Where the channels of the outputs lie among those of the inputs."""
    found, first = {}, 0
    for layout in inputs:
        found[layout.name] = range(first, first + layout.channels)
        first += layout.channels
    return [place for layout in outputs for place in found[layout.name]]


def _widest_gap(seen: SeenSimulation) -> int:
    """Largest number of frames from a whole state to the next, or to the last that is seen."""
    starts = seen.is_whole.nonzero().flatten().tolist()
    counted = seen.weights.flatten(1).any(dim=1).nonzero().flatten().tolist()
    ends = [*starts[1:], *counted[-1:]]
    return max((end - start for start, end in zip(starts, ends, strict=False)), default=1)
