"""Folders of generated simulations, in the file format of cached ones."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_pde.data.cache.cache_file import write_simulation
from hybrid_pde.data.cache.cache_header import CacheHeader
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import CacheError, DivergenceError

if TYPE_CHECKING:
    import torch

LARGEST = float(np.finfo(np.float32).max)  # beyond it, a simulation has diverged


class CacheManager(SimulationStore):
    """A folder that generated simulations are written to and read from.

    It is read like any :class:`SimulationStore`, so a ``HybridDataset`` accepts both.

    Args:
        directory: The folder; created when the first simulation is written.
    """

    def write(
        self,
        index: int,
        fields: Mapping[str, "torch.Tensor | np.ndarray"],
        grid: Grid,
        dt: float,
        provenance: Mapping[str, Any],
        layouts: Sequence[FieldLayout] | None = None,
        known: Sequence[KnownParameter] = (),
        units: StatedUnits | None = None,
    ) -> None:
        """Write one simulation, atomically.

        Args:
            index: Number of the simulation.
            fields: ``[T, C, *space]`` for each field, ``[C, *space]`` if static; also for each
                known parameter that is a field, by the name in its layout.
            grid: The grid.
            dt: Time between frames [time].
            provenance: Origin of the simulation, as JSON types.
            layouts: The fields; by default a field with as many channels as the grid has axes (two
                or more) is a vector, and a field with one channel a scalar.
            known: Known parameters with their numbers.
            units: The system that the numbers are in.

        Raises:
            CacheError: if the fields do not fit the grid or each other.
            DivergenceError: if a value is not finite.
        """
        arrays = {name: _array(values) for name, values in fields.items()}
        brought = {each.layout.name for each in known if each.is_field}
        own = {name: array for name, array in arrays.items() if name not in brought}
        layouts = tuple(layouts or (_infer(name, array, grid) for name, array in own.items()))
        lengths = {arrays[each.name].shape[0] for each in layouts if not each.static}
        if len(lengths) != 1:
            raise CacheError(f"simulation {index}: fields of {sorted(lengths)} frames")
        times = tuple((np.arange(lengths.pop()) * dt).tolist())
        header = CacheHeader(
            grid,
            layouts,
            float(dt),
            times,
            dict(provenance),
            "",
            {},
            tuple(known),
            units or StatedUnits(),
        )
        for layout in header.tensors:
            array = arrays[layout.name]
            if array.shape != header.shape(layout):
                raise CacheError(
                    f"simulation {index}: {layout.name} has the shape {array.shape}, "
                    f"its layout and grid say {header.shape(layout)}"
                )
            if not (np.abs(array) <= LARGEST).all():
                raise DivergenceError(f"simulation {index}: {layout.name} is not finite")
        write_simulation(self.path(index), header, [arrays])

    def disk_usage(self, indices: Sequence[int] | None = None) -> int:
        """Size of some simulations' files, by default of all [bytes]."""
        wanted = self.indices() if indices is None else indices
        return sum(self.path(index).stat().st_size for index in wanted)


def _array(values: "torch.Tensor | np.ndarray") -> np.ndarray:
    """Values in double precision if they are, else in single."""
    native = values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()
    return np.asarray(native, np.float64 if native.dtype == np.float64 else np.float32)


def _infer(name: str, array: np.ndarray, grid: Grid) -> FieldLayout:
    static = array.ndim == len(grid.axes) + 1
    channels = array.shape[0 if static else 1]
    is_vector = channels == len(grid.axes) > 1
    if not is_vector and channels != 1:
        raise CacheError(f"{name}: {channels} channels on {len(grid.axes)} axes; give its layout")
    return FieldLayout(name, grid.axes if is_vector else (), static)
