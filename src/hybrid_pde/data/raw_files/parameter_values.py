"""Known parameters of a raw file: where their values are, and the values of each simulation.

Layout: ``T`` time, ``C`` component, ``X Y Z`` space in ascending order.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hybrid_pde.config.error_messages import suggest
from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.blocks import BlockReader
from hybrid_pde.data.raw_files.dimension_roles import FieldSource, component_dim, component_order
from hybrid_pde.domain.grid import Grid
from hybrid_pde.domain.known_values import KnownParameter, as_tuples
from hybrid_pde.errors import ConfigError, RawDataError

BOUNDARY = re.compile(r"boundary\.([xyz])\.(lower|upper)")
KEY = "data.known_parameters"


class ParameterReader:
    """Finds the known parameters of an open file and reads the numbers among them.

    Args:
        reader: Reads the file's blocks.
        dim_of: The dimension of each role that the fields have.
        grid: The grid of the fields.
        data: The experiment's ``data`` section.
        signs: Signs of the numbers of parameters that are global attributes.

    Attributes:
        parameters: The kinds of the known parameters, in the experiment's order.
        fields: Sources of the parameters that are fields.

    Raises:
        RawDataError: if a value is missing or has a wrong shape; without the file's name.
        ConfigError: if the name of a parameter is not allowed.
    """

    def __init__(
        self,
        reader: BlockReader,
        dim_of: Mapping[str, str],
        grid: Grid,
        data: DataParams,
        signs: Mapping[str, tuple[float, ...]],
    ) -> None:
        self._reader = reader
        self._signs = signs
        self._dim_of = dim_of
        self._grid = grid
        self._wanted = data.known_names
        for name in self._wanted:
            _check_name(name, data, grid)
        self._sources = {name: self._source(name) for name in self._wanted}
        self.parameters = tuple(parameter for parameter, _ in self._sources.values())
        self.fields = tuple(
            source
            for parameter, source in self._sources.values()
            if parameter.is_field and source is not None
        )

    def read(self, sample: int) -> tuple[KnownParameter, ...]:
        """The parameters with their numbers; fields are read as blocks like other fields.

        Raises:
            RawDataError: naming parameter and place of a number that is missing or infinite.
        """
        found = []
        for parameter, source in self._sources.values():
            if not parameter.is_field:
                values = self._numbers(parameter, source, sample)
                parameter = replace(parameter, values=as_tuples(values.tolist()))
            found.append(parameter)
        return tuple(found)

    def _source(self, name: str) -> tuple[KnownParameter, FieldSource | None]:
        """Kind of a parameter and its source; ``None`` for a global attribute."""
        wanted = self._wanted[name]
        dataset = self._reader.dataset
        if wanted in dataset.variables:
            return self._variable(name, wanted)
        if wanted not in dataset.attrs:
            raise RawDataError(
                f"{KEY}.{name}: no such variable or attribute: "
                f"{suggest(wanted, [*map(str, dataset.variables), *map(str, dataset.attrs)])}"
            )
        values = self._attribute(name)
        if values.size != 1 and (values.size != len(self._grid.axes) or _is_boundary(name)):
            raise self._misshapen(name, f"{values.size} numbers")
        components = self._grid.axes if values.size > 1 else ()
        return KnownParameter(name, components), None

    def _variable(self, name: str, variable: str) -> tuple[KnownParameter, FieldSource]:
        array = self._reader.dataset[variable]
        roles, axes = self._reader.roles, self._grid.axes
        dims = [str(dim) for dim in array.dims]
        shape = f"{variable}({', '.join(f'{dim}: {array.sizes[dim]}' for dim in dims)})"
        for dim in dims:
            role = roles.get(dim, "")
            is_fitting = role == "vector" or self._dim_of.get(role) == dim
            if not is_fitting and (role in self._dim_of or array.sizes[dim] > 1):
                raise self._misshapen(name, shape)
        present = {roles.get(dim) for dim in dims}
        space = [axis for axis in axes if axis in present]
        vector = component_dim(self._reader.dataset, roles, variable)
        size = 0 if vector is None else array.sizes[vector]
        is_misfit = space not in ([], list(axes)) or size not in (0, 1, len(axes))
        if is_misfit or (_is_boundary(name) and (space or size > 1)):
            raise self._misshapen(name, shape)
        components = axes if size == len(axes) else ()
        parameter = KnownParameter(name, components, "time" not in present, bool(space))
        order = () if vector is None else component_order(self._reader.dataset, vector, size)
        return parameter, FieldSource(parameter.layout, (variable,), order)

    def _numbers(
        self, parameter: KnownParameter, source: FieldSource | None, sample: int
    ) -> np.ndarray:
        """Numbers ``[]``, ``[C]``, ``[T]`` or ``[T, C]`` in double precision."""
        if source is None:
            values = self._attribute(parameter.name)
            values = values if parameter.components else values.reshape(())
        else:
            num_frames = len(self._reader.frames.times)
            block = self._reader.load(source.variables[0], sample, 0, num_frames)
            ordered = block.transpose(*(role for role in ("time", "vector") if role in block.dims))
            values = ordered.values.astype(np.float64)
            if source.order:
                values = values[..., list(source.order)]
                values = values if parameter.components else values[..., 0]
        finite = np.isfinite(values)
        if not finite.all():
            where = "" if parameter.static else f", frame {int(np.argwhere(~finite)[0][0])}"
            raise RawDataError(
                f"{KEY}.{parameter.name}: {self._wanted[parameter.name]}: missing or infinite at "
                f"sample {sample}{where}; every simulation states a finite value"
            )
        return values

    def _attribute(self, name: str) -> np.ndarray:
        """Numbers of a global attribute ``[C]``; text is converted if it is a number."""
        value: Any = self._reader.dataset.attrs[self._wanted[name]]
        try:
            numbers = np.ravel(np.asarray(value, dtype=np.float64))
            signs = self._signs.get(name, ())
            return numbers * signs if len(signs) == len(numbers) else numbers
        except (TypeError, ValueError):
            raise RawDataError(
                f"{KEY}.{name}: the attribute {self._wanted[name]!r} is {value!r}, no number"
            ) from None

    def _misshapen(self, name: str, given: str) -> RawDataError:
        axes = ", ".join(self._grid.axes)
        wanted = "a number"
        if not _is_boundary(name):
            shape = ", ".join(map(str, self._grid.shape))
            wanted += (
                f", one for each of the axes {axes} (data.dims.vector), or a field on the grid "
                f"({axes}) of {shape} points"
            )
        return RawDataError(
            f"{KEY}.{name}: {given}: it is {wanted}, for each sample, constant or in time"
        )


def _is_boundary(name: str) -> bool:
    return name.startswith("boundary.")


def _check_name(name: str, data: DataParams, grid: Grid) -> None:
    """Reject boundaries without a fixed value, and names of fields."""
    if name in data.fields:
        raise ConfigError(
            f"{KEY}.{name}: also in data.fields; a field is solved for, a parameter is given; "
            "remove it from one of the two"
        )
    if not _is_boundary(name):
        return
    match = BOUNDARY.fullmatch(name)
    if match is None or match[1] not in grid.axes:
        sides = [f"boundary.{axis}.{side}" for axis in grid.axes for side in ("lower", "upper")]
        raise ConfigError(f"{KEY}.{name}: {suggest(name, sides)}")
    side = grid.boundary[grid.axes.index(match[1])][match[2] == "upper"]
    if isinstance(side, str):
        raise ConfigError(
            f"{KEY}.{name}: data.boundary is {side!r} there; give a number for that side, which "
            "each simulation's own value replaces"
        )
