"""Boundary conditions of a file, and the ends of its domain as values show them."""

from collections.abc import Mapping, Sequence
from typing import Any

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.blocks import BlockReader
from hybrid_pde.data.raw_files.dimension_roles import FieldSource
from hybrid_pde.data.raw_files.end_points import NODES, REPEATED, EndPoints
from hybrid_pde.data.raw_files.file_units import IDENTITY
from hybrid_pde.data.raw_files.space_axes import Axis
from hybrid_pde.data.raw_files.value_maps import ValueMap
from hybrid_pde.domain.boundary import SIDES, BoundaryError, parse_attribute, parse_boundary
from hybrid_pde.domain.grid import PERIODIC, Side
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import ConfigError, RawDataError

Boundary = tuple[tuple[Side, Side], ...]


def read_boundary(
    attrs: Mapping[Any, Any],
    axes: Sequence[str],
    sources: Sequence[FieldSource],
    maps: Mapping[str, ValueMap],
    data: DataParams,
) -> tuple[Boundary, bool]:
    """The sides' conditions, and whether the experiment or the file states them.

    Args:
        attrs: The file's global attributes.
        axes: The spatial axes.
        sources: The fields.
        maps: Conversions of the fields' variables; fixed values of the file are converted, too.
        data: The experiment's ``data`` section.

    Raises:
        RawDataError: if the file's attribute ``boundary`` is none.
        ConfigError: if ``data.boundary`` is none.
    """
    stated: Any = data.boundary
    from_file = stated is None and "boundary" in attrs
    try:
        if from_file:
            stated = parse_attribute(attrs["boundary"])
        boundary = parse_boundary(PERIODIC if stated is None else stated, axes)
    except BoundaryError as error:
        if from_file:
            raise RawDataError(f"attribute boundary: {error}") from None
        raise ConfigError(f"data.boundary: {error}") from None
    if from_file:
        boundary = _converted(boundary, sources, maps)
    return boundary, stated is not None


def _converted(
    boundary: Boundary, sources: Sequence[FieldSource], maps: Mapping[str, ValueMap]
) -> Boundary:
    """Fixed values that the file states, in the unit that its fields are converted to."""
    own = [maps.get(source.variables[0], ValueMap()) for source in sources]
    found = {
        (each.scale, each.offset)
        for each, source in zip(own, sources, strict=True)
        if not source.layout.static
    }
    numbers = [side for sides in boundary for side in sides if not isinstance(side, str)]
    if found <= {IDENTITY} or not any(numbers):
        return boundary
    if len(found) > 1:
        raise RawDataError(
            "attribute boundary: a fixed value for fields of several units; state it in "
            "data.boundary"
        )
    scale, offset = found.pop()

    def convert(side: Side) -> Side:
        return side if isinstance(side, str) else side * scale + offset

    return tuple((convert(lower), convert(upper)) for lower, upper in boundary)


def read_ends(
    reader: BlockReader,
    sources: Sequence[FieldSource],
    boundary: Boundary,
    data: DataParams,
    first: StatedUnits | None,
) -> dict[str, str]:
    """Position of the outer points of each axis whose values show it.

    Args:
        reader: Reads blocks of the file.
        sources: The fields.
        boundary: Condition on the sides of each axis.
        data: The experiment's ``data`` section.
        first: What the data set's first file shows; ``None`` if this is the first one.

    Raises:
        RawDataError: if this file shows what the first one does not.
    """
    ends = EndPoints(reader, [source for source in sources if not source.layout.static])
    found = {} if first is None else dict(first.ends)
    for axis, sides in zip(reader.axes, boundary, strict=True):
        known = [f"boundary.{axis.name}.{side}" in data.known_parameters for side in SIDES]
        if axis.name in data.domain or axis.name in found or any(known):
            continue
        kind = ends.kind(axis, sides)
        if kind and first is not None:
            raise RawDataError(
                f"{axis.name}: the values show that the points include both ends of the domain, "
                "and those of the data set's first file do not show it; set "
                f"{_lines(axis, kind)}"
            )
        if kind:
            found[axis.name] = kind
    return found


def likely_nodes(
    reader: BlockReader,
    sources: Sequence[FieldSource],
    boundary: Boundary,
    data: DataParams,
    found: Mapping[str, str],
) -> tuple[str, ...]:
    """Settings for each axis whose points probably include both ends of the domain.

    Args:
        reader: Reads blocks of the file.
        sources: The fields.
        boundary: Condition on the sides of each axis.
        data: The experiment's ``data`` section.
        found: The axes whose outer points are known.
    """
    ends = EndPoints(reader, [source for source in sources if not source.layout.static])
    axes = [
        (axis, sides)
        for axis, sides in zip(reader.axes, boundary, strict=True)
        if axis.name not in data.domain
        and axis.name not in found
        and not any(f"boundary.{axis.name}.{side}" in data.known_parameters for side in SIDES)
    ]
    return tuple(_lines(axis, NODES) for axis, sides in axes if ends.are_likely_nodes(axis, sides))


def _lines(axis: Axis, kind: str) -> str:
    """Setting that tells how the outer points lie."""
    first, before, last = axis.coordinates[0], *axis.coordinates[-2:]
    line = f"data.domain: {{{axis.name}: [{first:.9g}, {last:.9g}]}}"
    if kind == REPEATED:
        return f"data.select.crop: {{{axis.name}: [null, {(before + last) / 2:.9g}]}} and {line}"
    return line
