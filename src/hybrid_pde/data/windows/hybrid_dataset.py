"""Data set of windows of cached simulations: a state and the states that follow it.

Layout: ``B`` batch, ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch.utils.data import Dataset

from hybrid_pde.data.cache.cache_file import CachedSimulation, open_simulation
from hybrid_pde.data.cache.cache_header import CacheHeader, read_header
from hybrid_pde.data.cache.compatibility import disagreement
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.batch_memory import announce, empty_batch
from hybrid_pde.data.windows.field_selection import FieldSelection, select_fields
from hybrid_pde.data.windows.parameter_channels import Values, as_channels, parameter_channels
from hybrid_pde.data.windows.window_batch import Window, WindowBatch
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import known_disagreement
from hybrid_pde.errors import CacheError, ConfigError

Tensors = Mapping[str, torch.Tensor]


class HybridDataset(Dataset[Any]):
    """All windows of some simulations, one item each.

    An item is ``(input [C_in, *space], targets [num_predict_steps, C_out, *space])``. With a single
    field both are slices of the memory map. Channels follow ``field_names``; static fields are
    inputs only, and parameters of the equation are constant input channels.

    Args:
        data_manager: The store of the simulations: a ``DataManager``, or a ``CacheManager`` for
            generated ones.
        sim_indices: The simulations.
        field_names: The fields, and parameters of the equation that are inputs: known parameters of
            the simulations, or entries of ``parameters``.
        num_predict_steps: Number of states that follow the first one of a window.
        num_frames: Number of frames used of each simulation, from its first; all by default.
        dynamic_fields: The targets; by default all fields that change in time.
        static_fields: The fields that are only inputs; by default all that do not change in time.
        use_sliding_window: Whether a window starts at every frame (``T - num_predict_steps``
            windows a simulation), or only where the previous one ends, so that no target is in
            two.
        return_fields: Whether items are PhiFlow fields instead, ``({name: Field}, {name: [Field] *
            num_predict_steps})``; known parameters are among them, by name (see
            :func:`hybrid_pde.data.windows.window_fields.window_fields`).
        parameters: Values of parameters for simulations without their own; parameters not among
            ``field_names`` are ignored.

    Raises:
        ConfigError: if there is no such simulation or field, or a simulation is too short.
        CacheError: if a simulation cannot be read, or they differ in grid or known parameters.
    """

    def __init__(
        self,
        data_manager: SimulationStore,
        sim_indices: Iterable[int],
        field_names: Sequence[str],
        *,
        num_predict_steps: int,
        num_frames: int | None = None,
        dynamic_fields: Sequence[str] | None = None,
        static_fields: Sequence[str] | None = None,
        use_sliding_window: bool = True,
        return_fields: bool = False,
        parameters: Values | None = None,
    ) -> None:
        self.sim_indices = [int(index) for index in sim_indices]
        if not self.sim_indices:
            raise ConfigError("sim_indices: empty; name at least one simulation")
        if num_predict_steps < 1:
            raise ConfigError(f"num_predict_steps: {num_predict_steps}: must be 1 or more")
        self.num_predict_steps = num_predict_steps
        self.return_fields = return_fields
        self._stride = 1 if use_sliding_window else num_predict_steps
        self._paths = [data_manager.ensure(index) for index in self.sim_indices]
        headers = [read_header(path) for path in self._paths]
        self.grid: Grid = headers[0].grid
        self.dt: float = headers[0].dt
        self._check_agreement(headers)
        # items of PhiFlow fields contain the known parameters anyway
        names = () if return_fields else (*field_names, *(static_fields or ()))
        self._parameters = parameter_channels(headers, names, parameters or {})
        self._selection: FieldSelection = select_fields(
            (*headers[0].layouts, *self._parameters.layouts),
            field_names,
            dynamic_fields,
            static_fields,
        )
        counts = [
            -(-(self._kept(header, position, num_frames) - num_predict_steps) // self._stride)
            for position, header in enumerate(headers)
        ]
        self._ends = list(accumulate(counts))  # index of the first window after each simulation
        self._open: dict[int, CachedSimulation] = {}

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The input fields in the order of their channels; static ones are inputs only."""
        return self._selection.inputs

    @property
    def output_layouts(self) -> tuple[FieldLayout, ...]:
        """The target fields in the order of their channels."""
        return self._selection.outputs

    @property
    def parameters(self) -> dict[str, tuple[float, ...]]:
        """Values of the input parameters for simulations without their own."""
        return dict(self._parameters.defaults)

    @property
    def store(self) -> SimulationStore:
        """The folder of the simulations."""
        return SimulationStore(self._paths[0].parent)

    def like(
        self,
        store: SimulationStore,
        sim_indices: Iterable[int],
        num_predict_steps: int | None = None,
    ) -> "HybridDataset":
        """Windows of the same kind over all frames of other simulations.

        Args:
            store: The store of the simulations.
            sim_indices: The simulations.
            num_predict_steps: Length of the windows; by default the same.
        """
        return HybridDataset(
            store,
            sim_indices,
            [layout.name for layout in self.layouts],
            num_predict_steps=num_predict_steps or self.num_predict_steps,
            dynamic_fields=[layout.name for layout in self.output_layouts],
            use_sliding_window=self._stride == 1,
            return_fields=self.return_fields,
            parameters=self.parameters,
        )

    def __len__(self) -> int:
        return self._ends[-1]

    def window(self, index: int) -> tuple[int, int]:
        """Simulation and first frame of a window.

        Raises:
            IndexError: past the last window.
        """
        position, start = self._locate(index)
        return self.sim_indices[position], start

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Any:
        position, start = self._locate(index)
        if self.return_fields:
            from hybrid_pde.data.windows.window_fields import window_fields

            steps = self.num_predict_steps
            return window_fields(self._simulation(position), self._selection, start, steps)
        tensors = self._simulation(position).fields
        inputs = [self._input(position, layout, start) for layout in self.layouts]
        targets = [self._target(tensors, layout, start) for layout in self.output_layouts]
        return (
            inputs[0] if len(inputs) == 1 else torch.cat(inputs),
            targets[0] if len(targets) == 1 else torch.cat(targets, dim=1),
        )

    def __getitems__(self, indices: Sequence[int]) -> Any:
        if self.return_fields:
            return [self[index] for index in indices]
        return WindowBatch(*self.gather(indices))

    def gather(self, indices: Sequence[int]) -> Window:
        """Several windows as one batch, each value copied once; in double precision if a field is.

        Returns:
            Inputs ``[B, C_in, *space]`` and targets ``[B, num_predict_steps, C_out, *space]``.

        Raises:
            IndexError: past the last window.
        """
        located = [self._locate(index) for index in indices]
        pairs = [(self._simulation(position).fields, start) for position, start in located]
        given = [
            [self._input(position, layout, start) for position, start in located]
            for layout in self.layouts
        ]
        wanted = [
            [self._target(fields, layout, start) for fields, start in pairs]
            for layout in self.output_layouts
        ]
        announce(view for views in (*given, *wanted) for view in views)
        space, steps = self.grid.shape, self.num_predict_steps
        in_channels = sum(layout.channels for layout in self.layouts)
        out_channels = sum(layout.channels for layout in self.output_layouts)
        inputs = empty_batch((len(pairs), in_channels, *space), _precision(given))
        targets = empty_batch((len(pairs), steps, out_channels, *space), _precision(wanted))
        first = 0
        for layout, views in zip(self.layouts, given, strict=True):
            torch.stack(views, out=inputs.narrow(1, first, layout.channels))
            first += layout.channels
        first = 0
        for layout, views in zip(self.output_layouts, wanted, strict=True):
            torch.stack(views, out=targets.narrow(2, first, layout.channels))
            first += layout.channels
        return inputs, targets

    def __getstate__(self) -> dict[str, Any]:
        """State without open files: a worker process maps the files itself."""
        return {**self.__dict__, "_open": {}}

    def _locate(self, index: int) -> tuple[int, int]:
        """Position of a window's simulation in ``sim_indices``, and its first frame."""
        length = self._ends[-1]
        if not -length <= index < length:
            raise IndexError(f"window {index} of {length}")
        index %= length
        position = bisect_right(self._ends, index)
        before = self._ends[position - 1] if position else 0
        return position, (index - before) * self._stride

    def _simulation(self, position: int) -> CachedSimulation:
        if position not in self._open:
            self._open[position] = open_simulation(self._paths[position])
        return self._open[position]

    def _input(self, position: int, layout: FieldLayout, start: int) -> torch.Tensor:
        numbers = self._parameters.values[position].get(layout.name)
        if numbers is not None:
            return as_channels(numbers, self.grid.shape)
        tensor = self._simulation(position).fields[layout.name]
        has_time = tensor.ndim == len(self.grid.axes) + 2
        return tensor[start] if has_time else tensor

    def _target(self, tensors: Tensors, layout: FieldLayout, start: int) -> torch.Tensor:
        return tensors[layout.name][start + 1 : start + 1 + self.num_predict_steps]

    def _kept(self, header: CacheHeader, position: int, num_frames: int | None) -> int:
        """Number of frames used of a simulation."""
        kept = header.num_frames if num_frames is None else num_frames
        if kept > header.num_frames or kept <= self.num_predict_steps:
            raise ConfigError(
                f"simulation {self.sim_indices[position]} has {header.num_frames} frames; "
                f"num_frames: {num_frames} and num_predict_steps: {self.num_predict_steps} "
                f"need {max(kept, self.num_predict_steps + 1)}"
            )
        return kept

    def _check_agreement(self, headers: Sequence[CacheHeader]) -> None:
        for path, header in zip(self._paths, headers, strict=True):
            difference = disagreement(header, headers[0])
            if difference is None and self.return_fields:
                difference = known_disagreement(header.known, headers[0].known)
            if difference:
                raise CacheError(f"{path}: {difference} in {self._paths[0].name}")


def _precision(views: Sequence[Sequence[torch.Tensor]]) -> torch.dtype:
    """Double precision if any tensor has it, else single."""
    types = {view.dtype for each in views for view in each}
    return torch.float64 if torch.float64 in types else torch.float32
