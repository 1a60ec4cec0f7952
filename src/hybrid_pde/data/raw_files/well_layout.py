"""The Well's layout of HDF5 files as labelled variables.

Layout: ``N`` trajectory, ``T`` time, ``X Y Z`` space, ``D`` component.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import h5py
import numpy as np
import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.dimension_roles import variables_named
from hybrid_pde.data.raw_files.guards import check_size, reject_external_data
from hybrid_pde.data.raw_files.hdf5 import (
    attributes,
    common_times,
    lazy_array,
    listed,
    place_of,
    text_list,
)
from hybrid_pde.data.raw_files.lazy_arrays import Place, lazy, lazy_broadcast
from hybrid_pde.data.raw_files.well_boundary import stated_boundary
from hybrid_pde.errors import RawDataError

DIMENSIONS = "dimensions"
FIELDS = {"t0_fields": 0, "t1_fields": 1, "t2_fields": 2}  # group and rank of its tensors
SCALARS = "scalars"


def is_well(file: h5py.File) -> bool:
    """True if a file has the groups of The Well."""
    return DIMENSIONS in set(file) and bool(FIELDS.keys() & set(file))


def labelled_contents(file: h5py.File, data: DataParams) -> xr.Dataset:
    """The file as variables of named dimensions.

    Args:
        file: The open file.
        data: The experiment's ``data`` section; with ``data.boundary`` that of the file is not
            read.

    Raises:
        RawDataError: naming the entry that departs from the layout; without the file's name.
    """
    if not is_well(file):
        raise RawDataError(
            "not The Well's layout: it has the groups dimensions and t0_fields, t1_fields, …; it "
            f"holds {listed(file)}"
        )
    reject_external_data(file)
    grid_type = ", ".join(text_list(file.attrs.get("grid_type", "cartesian")))
    if grid_type.lower() != "cartesian":
        raise RawDataError(
            f"grid_type is {grid_type!r}; only cartesian grids are read: interpolate the fields to "
            "one, e.g. with scipy.interpolate.RegularGridInterpolator, and write them to NetCDF"
        )
    axes = _axes(file)
    box = _Box(_num_trajectories(file), _times(file), axes)
    variables: dict[str, Any] = {"time": (("time",), box.times)}
    variables |= {axis: ((axis,), points) for axis, points in axes.items()}
    variables["vector"] = (("vector",), np.array(list(axes)))
    ranks: dict[str, int] = {}
    for group, rank in FIELDS.items():
        for name, entry in _entries(file, group):
            if name in variables:
                name = f"{group.removesuffix('_fields')}_{name}"
            for each, variable in box.field(name, entry, rank):
                variables[each] = variable
                ranks[each] = int(rank == 1)  # a tensor is read as scalars
    for name, entry in _entries(file, SCALARS):
        variables.setdefault(name, box.scalar(entry))
    attrs = attributes(file)
    if data.boundary is None:
        used = {name: ranks.get(name, 0) for name in variables_named(data)}
        boundary = stated_boundary(file, {axis: len(axes[axis]) for axis in axes}, used)
        attrs |= {} if boundary is None else {"boundary": boundary}
    return xr.Dataset(variables, attrs=attrs)


@dataclass(frozen=True)
class _Box:
    """The dimensions of a file, and its entries as variables on them."""

    trajectories: int
    times: np.ndarray
    axes: dict[str, np.ndarray]

    def field(self, name: str, entry: h5py.Dataset, rank: int) -> Iterator[tuple[str, Any]]:
        """The variables of a field; a tensor becomes a scalar for each of its entries."""
        lead = self._lead(entry)
        varies = np.ravel(entry.attrs.get("dim_varying", [True] * len(self.axes)))
        lengths = [len(points) for points in self.axes.values()]
        if len(varies) != len(lengths):
            raise RawDataError(f"{place_of(entry)}: dim_varying has {len(varies)} entries")
        kept = [n for n, each in enumerate(varies) if each]
        rest = entry.shape[len(lead) :]
        components = self._components(entry, rest, rank, len(kept))
        stored = rest[: len(rest) - len(components)]
        whole = [length if n in kept else 1 for n, length in enumerate(lengths)]
        if list(stored) not in (whole, [lengths[n] for n in kept]):
            raise RawDataError(
                f"{place_of(entry)}: its shape is {list(entry.shape)}; with the axes "
                f"{dict(zip(self.axes, lengths, strict=True))} and dim_varying "
                f"{[bool(each) for each in varies]} it is {list(lead.values())} + {whole} + "
                "components"
            )
        read = _padded(entry, len(lead), kept, len(lengths), is_short=len(stored) < len(lengths))
        shape = (*lead.values(), *lengths, *components)
        repeated = [len(lead) + n for n in range(len(lengths)) if n not in kept]
        dims = (*lead, *self.axes)
        chunks = {"chunksizes": entry.chunks}
        array = lazy_broadcast(read, shape, entry.dtype, repeated)
        if not repeated and len(stored) == len(lengths):
            array = lazy_array(entry)
        if rank < 2:
            labels = {(): (), (1,): ("single",)}.get(components, ("vector",))
            if rank == 1 and components and components != (len(self.axes),):
                labels = (f"components of {name}",)
            yield name, ((*dims, *labels), array, attributes(entry), chunks)
            return
        for one in _tensor_entries(components, list(self.axes)):
            part = xr.Variable((*dims, *"ab"[: len(components)]), array)
            fixed = dict(zip("ab", one.place, strict=False))
            yield f"{name}_{one.label}", (dims, _part(part, fixed), attributes(entry), chunks)

    def scalar(self, entry: h5py.Dataset) -> Any:
        """A number for each trajectory, for each time, both, or one for all."""
        lead = self._lead(entry)
        rest = entry.shape[len(lead) :]
        labels = (*lead, *(f"of {size}" for size in rest))
        return labels, lazy_array(entry), attributes(entry)

    def _lead(self, entry: h5py.Dataset) -> dict[str, int]:
        """The leading dimensions of an entry, as its attributes say, and their lengths."""
        wanted = {"sample": self.trajectories, "time": len(self.times)}
        lead = {
            dim: wanted[dim]
            for dim in wanted
            if bool(np.all(entry.attrs.get(f"{dim}_varying", entry.ndim > 1)))
        }
        if entry.shape[: len(lead)] != tuple(lead.values()):
            raise RawDataError(
                f"{place_of(entry)}: its shape is {list(entry.shape)}; with sample_varying and "
                f"time_varying as stated it begins with {lead}"
            )
        return lead

    def _components(
        self, entry: h5py.Dataset, rest: tuple[int, ...], rank: int, num_kept: int
    ) -> tuple[int, ...]:
        """Lengths of the trailing axes that count components."""
        places = len(rest) - len(self.axes)
        if places < 0 or (places < min(rank, 1)):
            places = len(rest) - num_kept  # axes along which the field is constant are left out
        if not 0 <= places <= max(rank, 1) or (rank > 0 and places == 0):
            raise RawDataError(
                f"{place_of(entry)}: its shape is {list(entry.shape)}, which does not fit "
                f"{len(self.axes)} axes and a tensor of rank {rank}"
            )
        return rest[len(rest) - places :]


@dataclass(frozen=True)
class _TensorEntry:
    label: str
    place: tuple[int, ...]


def _tensor_entries(components: tuple[int, ...], axes: list[str]) -> Iterator[_TensorEntry]:
    """The entries of a tensor, stored ``[D, D]`` or as one list ``[D²]``."""
    size = len(axes)
    if components not in ((size, size), (size * size,)):
        return  # of other dimensions: cannot be named
    for row, column in product(range(size), repeat=2):
        place = (row, column) if len(components) == 2 else (row * size + column,)
        yield _TensorEntry(axes[row] + axes[column], place)


def _part(variable: xr.Variable, fixed: dict[str, int]) -> Any:
    """The part of a lazily read variable at fixed places of some dimensions."""
    kept = [str(dim) for dim in variable.dims if dim not in fixed]

    def read(place: Place) -> np.ndarray:
        return variable.isel({**fixed, **dict(zip(kept, place, strict=True))}).values

    return lazy(read, tuple(variable.sizes[dim] for dim in kept), variable.dtype)


def _padded(entry: h5py.Dataset, lead: int, kept: list[int], count: int, is_short: bool) -> Any:
    """Reads an entry; axes that it leaves out are read as axes of one entry."""

    def read(place: Place) -> np.ndarray:
        if not is_short:
            return np.asarray(entry[place])
        axes = place[lead : lead + count]
        stored = (*place[:lead], *(axes[n] for n in kept), *place[lead + count :])
        values = np.asarray(entry[stored])
        slices = [isinstance(each, slice) for each in place]
        absent = [lead + n for n in range(count) if n not in kept and slices[lead + n]]
        return np.expand_dims(values, [sum(slices[:at]) for at in absent])

    return read


def _axes(file: h5py.File) -> dict[str, np.ndarray]:
    """Points along each axis."""
    group = _group(file, DIMENSIONS)
    names = text_list(group.attrs.get("spatial_dims"))
    if not names:
        raise RawDataError(f"{DIMENSIONS}: no attribute spatial_dims, a list such as ['x', 'y']")
    points = {}
    for name in names:
        entry = group.get(name)
        if not isinstance(entry, h5py.Dataset) or entry.ndim != 1 or entry.dtype.kind not in "iuf":
            raise RawDataError(f"{DIMENSIONS}/{name}: absent, or not a list of numbers")
        check_size(f"{DIMENSIONS}/{name}", entry.shape)
        points[name] = entry[()]
    return points


def _times(file: h5py.File) -> np.ndarray:
    entry = _group(file, DIMENSIONS).get("time")
    if not isinstance(entry, h5py.Dataset):
        raise RawDataError(f"{DIMENSIONS}/time: absent; it lists the times")
    return common_times(entry)


def _num_trajectories(file: h5py.File) -> int:
    try:
        return int(np.ravel(file.attrs["n_trajectories"])[0])
    except (KeyError, IndexError, TypeError, ValueError):
        raise RawDataError("no attribute n_trajectories, the number of simulations") from None


def _entries(file: h5py.File, group: str) -> Iterator[tuple[str, h5py.Dataset]]:
    """The data sets of a group that may be absent."""
    if group not in set(file):
        return
    for name, entry in _group(file, group).items():
        if isinstance(entry, h5py.Dataset):
            yield name, entry


def _group(file: h5py.File, name: str) -> h5py.Group:
    group = file.get(name)
    if not isinstance(group, h5py.Group):
        raise RawDataError(f"{name}: absent, or not a group")
    return group
