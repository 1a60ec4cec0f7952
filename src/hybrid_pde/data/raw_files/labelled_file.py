"""Raw files as labelled variables: fields, grid and times from names and coordinates.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space in ascending order.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.blocks import BlockReader
from hybrid_pde.data.raw_files.conventions import conventions
from hybrid_pde.data.raw_files.coordinates import Coordinates
from hybrid_pde.data.raw_files.dimension_roles import (
    SPACE,
    check_dims,
    dimension_roles,
    field_sources,
    field_variables,
)
from hybrid_pde.data.raw_files.domain_ends import likely_nodes, read_boundary, read_ends
from hybrid_pde.data.raw_files.end_points import NODES, REPEATED
from hybrid_pde.data.raw_files.file_units import FileUnits, reference
from hybrid_pde.data.raw_files.found_fields import found_settings
from hybrid_pde.data.raw_files.guards import (
    MAX_ENTRIES_AT_ONCE,
    check_frame,
    check_size,
    check_stored,
    errors_name_file,
)
from hybrid_pde.data.raw_files.inspection_mode import is_inspecting, refuse
from hybrid_pde.data.raw_files.parameter_sources import with_named_sources
from hybrid_pde.data.raw_files.parameter_values import ParameterReader
from hybrid_pde.data.raw_files.raw_file import Block, RawFileInfo
from hybrid_pde.data.raw_files.single_frames import single_frames_allowed
from hybrid_pde.data.raw_files.space_axes import make_grid, without_repeated
from hybrid_pde.data.raw_files.unit_conversion import unit_text
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import ConfigError, RawDataError

BLOCK_BYTES = 16 * 2**20  # of one field in double precision; larger blocks are not faster


class LabelledFile:
    """An open file with named dimensions, a :class:`hybrid_pde.data.raw_files.raw_file.RawFile`.

    Attributes:
        data: The ``data`` section it is read with; in an inspection with the fields that are found.
        axis_units: Unit of each axis, as its points are read.
    """

    def __init__(self, path: Path, dataset: xr.Dataset, data: DataParams) -> None:
        check_dims(data.dims)
        if is_inspecting() and not data.fields:
            data = found_settings(dataset, data)
        self.data = data
        self._path = path
        self._roles = dimension_roles(dataset, data.dims)
        dataset, data = with_named_sources(path, dataset, self._roles, data)
        self._dataset = dataset
        variables = [
            variable for name in data.fields for variable in field_variables(dataset, name, data)
        ]
        self._dim_of = self._dimensions(variables)
        names = [axis for axis in SPACE if axis in self._dim_of]
        _check_axes(data, names)
        samples = dataset.sizes[self._dim_of["sample"]] if "sample" in self._dim_of else 1
        self._check_sizes([*variables, *data.known_names.values()], names, samples)
        self._sources = field_sources(dataset, self._roles, names, data)
        first = reference()
        coordinates = Coordinates(dataset, self._dim_of, data)
        points = {axis: coordinates.variable(axis) for axis in names}
        unit = coordinates.time_unit()
        rules = conventions(dataset, self._sources, self._roles, points, unit, first, data)
        self.axis_units = _axis_units(points, rules.units)
        maps = rules.maps.by_variable
        frames = coordinates.frames(unit.scale, rules.shift)
        axes = [coordinates.axis(axis, rules.units.axis_scales[axis]) for axis in names]
        try:
            boundary, stated = read_boundary(dataset.attrs, names, self._sources, maps, data)
        except RawDataError as error:
            refuse("boundary", str(error))
            boundary, stated = read_boundary({}, names, self._sources, maps, data)
        reader = BlockReader(dataset, self._roles, frames, axes, self._masked(data), maps)
        ends = read_ends(reader, self._sources, boundary, data, first.units if first else None)
        likely = () if first else likely_nodes(reader, self._sources, boundary, data, ends)
        axes = [without_repeated(a) if ends.get(a.name) == REPEATED else a for a in axes]
        nodal = [axis for axis, kind in ends.items() if kind == NODES]
        grid = make_grid(axes, boundary, data, nodal)
        self._reader = replace(reader, axes=axes)
        signs = rules.maps.by_attribute
        self._known = ParameterReader(self._reader, self._dim_of, grid, data, signs)
        self.info = RawFileInfo(
            num_samples=samples,
            num_frames=len(frames.times),
            start=float(frames.times[0]),
            dt=frames.dt,
            grid=grid,
            layouts=tuple(source.layout for source in self._sources),
            boundary_stated=stated,
            known=self._known.parameters,
            units=rules.stated(ends, likely),
        )

    @property
    def times(self) -> np.ndarray:
        """Time of each selected frame [time], double precision."""
        return self._reader.frames.times

    def static(self, sample: int) -> Block:
        """The tensors without a time axis, ``[C, *space]`` each."""
        with errors_name_file(self._path):
            return {
                source.layout.name: self._reader.read(source, sample, 0, 1)[0]
                for source in (*self._sources, *self._known.fields)
                if source.layout.static
            }

    def known(self, sample: int) -> tuple[KnownParameter, ...]:
        """The known parameters; values of fields are among the tensors."""
        with errors_name_file(self._path):
            return self._known.read(sample)

    def frames(self, sample: int) -> Iterator[Block]:
        """The other tensors block by block, ``[T, C, *space]``, in the order of time."""
        every = (*self._sources, *self._known.fields)
        sources = [source for source in every if not source.layout.static]
        channels = max((source.layout.channels for source in sources), default=1)
        points = math.prod(axis.stop - axis.start for axis in self._reader.axes)
        length = min(max(1, BLOCK_BYTES // (8 * channels * points)), MAX_ENTRIES_AT_ONCE)
        for first in range(0, self.info.num_frames, length):
            last = min(first + length, self.info.num_frames)
            with errors_name_file(self._path):
                block = {
                    source.layout.name: self._reader.read(source, sample, first, last)
                    for source in sources
                }
            yield block

    def _masked(self, data: DataParams) -> frozenset[str]:
        """Fields that may have missing values: observed ones; static fields must be complete."""
        if is_inspecting():
            return frozenset(source.layout.name for source in self._sources)
        if data.observations is None or data.observations.missing == "error":
            return frozenset()
        return frozenset(s.layout.name for s in self._sources if not s.layout.static)

    def _dimensions(self, variables: list[str]) -> dict[str, str]:
        """The dimension of each role among the given variables."""
        found: dict[str, str] = {}
        for variable in variables:
            for dim in map(str, self._dataset[variable].dims):
                role = self._roles.get(dim)
                size = self._dataset.sizes[dim]
                if size == 0:
                    raise RawDataError(f"{variable}: its dimension {dim!r} is empty")
                if role is None and size > 1:
                    raise RawDataError(
                        f"{variable}: its dimension {dim!r} is unknown (known: time, x, y, z, "
                        f"sample, vector); set its role, e.g. data.dims: {{x: {dim}}}"
                    )
                if role is None or role == "vector" or (role in SPACE and size == 1):
                    continue
                if found.setdefault(role, dim) != dim:
                    raise RawDataError(
                        f"{variable}: its dimension {dim!r} and {found[role]!r} are both {role}; "
                        "all fields must have the same points"
                    )
        if "time" not in found and not single_frames_allowed():
            raise RawDataError(
                f"{', '.join(variables)}: no time axis; if it has another name, "
                "set data.dims: {time: …}"
            )
        if not set(found) & set(SPACE):
            raise RawDataError(f"{', '.join(variables)}: no spatial axis of 2 points or more")
        return found

    def _check_sizes(self, variables: list[str], axes: list[str], num_samples: int) -> None:
        """Reject variables that do not fit into memory, before anything is read."""
        for axis in ("time", *axes) if "time" in self._dim_of else axes:
            check_size(axis, [self._dataset.sizes[self._dim_of[axis]]])
        used = {name: self._dataset[name].variable for name in variables if name in self._dataset}
        for name, variable in used.items():
            check_frame(variable, name, self._roles, num_samples)
        stated = sum(math.prod(each.shape) * each.dtype.itemsize for each in used.values())
        check_stored(self._path, stated)


def _axis_units(points: Mapping[str, xr.DataArray | None], units: FileUnits) -> dict[str, str]:
    """Unit of each axis: that of the system, or its own where it cannot be converted."""
    stated = {
        axis: "" if each is None else unit_text(each.attrs.get("units"))
        for axis, each in points.items()
    }
    return {
        axis: units.length if axis in units.sources or not own else own
        for axis, own in stated.items()
    }


def _check_axes(data: DataParams, axes: list[str]) -> None:
    """Reject settings for axes that the file lacks, and domains with reversed ends."""
    for axis, (lower, upper) in data.domain.items():
        if lower >= upper:
            raise ConfigError(f"data.domain.{axis}: {[lower, upper]}: the upper end comes second")
    for key, section in (
        ("data.domain", data.domain),
        ("data.select.crop", data.select.crop),
        ("data.select.coarsen", data.select.coarsen),
    ):
        for axis in section:
            if axis not in axes:
                raise ConfigError(f"{key}.{axis}: no such axis; the file has {', '.join(axes)}")
