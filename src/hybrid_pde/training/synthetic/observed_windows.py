"""Training windows of a surrogate from partially observed simulations, with weights.

Layout: ``B`` windows, ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Dataset

from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.data.windows.window_batch import Window, WindowBatch, collate_windows
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import RawDataError
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.synthetic.observed_frames import FilledSimulation, ObservedFrames

if TYPE_CHECKING:
    from hybrid_pde.models.physical.physical_model import PhysicalModel


class WrappedWindows(Dataset[Any]):
    """Base class of windows that modify other windows of the same fields and simulations.

    Args:
        windows: The windows to modify.
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
        """The store of the simulations."""
        return self.windows.store

    @property
    def sim_indices(self) -> list[int]:
        """Indices of the simulations."""
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
    """Windows with the same weight for all targets at a point.

    An item is ``(input [C_in, *space], targets [T, C_out, *space], weights [T, C_out, *space])``.

    Args:
        windows: The windows.
        weights: Weight of every channel and point, ``[C_out, *space]``.
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
    """Windows restricted by ``data.observations``, with a weight for every target.

    Observed values are those of the calibration, including noise, and have the weight 1.

    With a physical model, hidden values are replaced by its rollout from the first completely
    observed state and have the weight ``hybrid.interaction_weight``. Windows start at that state
    and at every later frame.

    Without a physical model, hidden values have the weight 0 (they are interpolated in time, for
    the normalisation only), and windows start only at completely observed states. They have
    ``num_predict_steps`` steps, or more if needed to reach the next such state, so that every
    observed value is used; if only a region or single points are observed, they cover whole
    simulations. Frames beyond the end of a simulation have the weight 0.

    An item is ``(input [C_in, *space], targets [T, C_out, *space], weights [T, C_out, *space])``,
    without weights if nothing is hidden. All simulations are kept in memory.

    Args:
        windows: All windows of the simulations; of one step if there is no physical model.
        experiment: Sections ``data.observations`` and ``hybrid.interaction_weight``.
        steps: Number of target frames of a window.
        physical: The calibrated model, if any.
        is_sliding: Whether windows may overlap.

    Raises:
        RawDataError: if no window has a completely observed state and observed targets.
        DivergenceError: if the rollout of the physical model is no longer finite.
    """

    def __init__(
        self,
        windows: HybridDataset,
        experiment: Experiment,
        steps: int,
        physical: "PhysicalModel | None" = None,
        is_sliding: bool = True,
    ) -> None:
        super().__init__(windows)
        self._output_positions = _output_positions(windows.layouts, windows.output_layouts)
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
        """Values of input parameters, for simulations without their own values."""
        return self.windows.parameters

    def like(
        self, store: SimulationStore, sim_indices: Iterable[int]
    ) -> HybridDataset | WeightedWindows:
        """Windows of generated simulations, with matching weights.

        Points that are observed in the data at some time have the weight 1. Elsewhere the physical
        model has not been compared with data, and the weight is ``hybrid.interaction_weight``.
        """
        windows = self.windows.like(store, sim_indices)
        masks = [each.is_observed for each in self._simulations.values()]
        is_observed = torch.stack(masks).any(dim=0)
        if bool(is_observed.all()):
            return windows
        return WeightedWindows(windows, torch.where(is_observed, 1.0, self._weight))

    def window(self, index: int) -> tuple[int, int]:
        """Simulation and first frame of a window."""
        return self.windows.window(self._chosen[index])

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Window:
        simulation, start = self.window(index)
        observed = self._simulations[simulation]
        state = self.windows[self._chosen[index]][0].clone()
        state[self._output_positions] = observed.values[start]
        following = range(start + 1, start + 1 + self.num_predict_steps)
        last = len(observed.values) - 1
        frames = [min(frame, last) for frame in following]
        targets = observed.values[frames]
        if not self._is_weighted:
            return state, targets
        weights = observed.weights[frames]
        weights[[frame > last for frame in following]] = 0.0
        return state, targets, weights

    def gather(self, indices: Sequence[int]) -> Window:
        """Several windows as one batch."""
        return collate_windows([self[index] for index in indices])

    def _choose(self, is_sliding: bool) -> list[int]:
        """Numbers of the windows that start at a known state."""
        chosen, free = [], dict.fromkeys(self._simulations, 0)
        for number in range(len(self.windows)):
            simulation, start = self.windows.window(number)
            observed = self._simulations[simulation]
            if self.is_filled:
                if start >= observed.first_whole:
                    chosen.append(number)
                continue
            last = start + self.num_predict_steps
            if not self._is_weighted and last >= len(observed.values):
                continue
            following = observed.weights[start + 1 : last + 1]
            is_free = is_sliding or start >= free[simulation]
            if is_free and bool(observed.is_whole[start]) and bool(following.any()):
                chosen.append(number)
                free[simulation] = last
        return chosen

    def _check(self, experiment: Experiment) -> None:
        section = experiment.data.observations
        if section is not None and section.sensors is not None and not self.is_filled:
            warn_of_result(
                "data.observations.sensors: a surrogate learns from frames only; sensor readings "
                "are used in run_params.model_type: hybrid"
            )
        if not self._chosen:
            raise RawDataError(
                "data.observations: no training windows: a surrogate needs windows with a "
                "completely observed initial state and some observed targets; set "
                "trainer_params.physical.initial_state: known to use the first state, or "
                "run_params.model_type: hybrid to fill in hidden values"
            )
        left_out = [
            index
            for index, each in self._simulations.items()
            if each.first_whole >= len(each.values)
        ]
        if left_out:
            warn_of_result(
                f"trainer_params.train_sim: {left_out}: left out of the surrogate's training: no "
                "completely observed state"
            )


def _output_positions(inputs: Sequence[FieldLayout], outputs: Sequence[FieldLayout]) -> list[int]:
    """Positions of the output channels among the input channels."""
    found, first = {}, 0
    for layout in inputs:
        found[layout.name] = range(first, first + layout.channels)
        first += layout.channels
    return [place for layout in outputs for place in found[layout.name]]


def _widest_gap(observed: FilledSimulation) -> int:
    """Largest number of frames from a complete state to the next one, or to the last observed."""
    starts = observed.is_whole.nonzero().flatten().tolist()
    counted = observed.weights.flatten(1).any(dim=1).nonzero().flatten().tolist()
    ends = [*starts[1:], *counted[-1:]]
    return max((end - start for start, end in zip(starts, ends, strict=False)), default=1)
