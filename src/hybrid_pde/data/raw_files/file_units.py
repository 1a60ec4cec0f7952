"""Units of a file's axes, fields and known parameters, and their conversion to one system.

The system has the unit of the first axis that states a length, and seconds. Fields and known
parameters made of lengths and times (velocities, diffusivities) are converted to it; others
(temperatures) keep their unit. A data set has the system of its first file, the *reference*.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from hybrid_pde.data.raw_files.time_axis import TimeUnit
from hybrid_pde.data.raw_files.unit_conversion import (
    dimensions,
    in_system,
    is_length,
    linear_map,
    of_length_and_time,
    unit_text,
)
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import RawDataError

IDENTITY = (1.0, 0.0)


@dataclass(frozen=True)
class Reference:
    """The system that the numbers of a file are to be in.

    Attributes:
        units: The system.
        has_epoch: Whether times are to count from its reference date, too.
    """

    units: StatedUnits
    has_epoch: bool = True


# of the file that is opened next; readers need not pass it on
_reference: ContextVar[Reference | None] = ContextVar("reference", default=None)


@contextmanager
def following(units: StatedUnits | None, has_epoch: bool = True) -> Iterator[None]:
    """Convert the numbers of files opened in the block to the given system.

    Args:
        units: Units of the data set's first file; ``None`` leaves each file its own system.
        has_epoch: Whether the times count from its reference date, too.
    """
    token = _reference.set(None if units is None else Reference(units, has_epoch))
    try:
        yield
    finally:
        _reference.reset(token)


def reference() -> Reference | None:
    """The system for the file that is being opened; ``None`` for the file's own."""
    return _reference.get()


@dataclass(frozen=True)
class FileUnits:
    """Units in a file, and in the system.

    Attributes:
        length: Unit of length of the system.
        axis_scales: Factor that converts each axis to it.
        targets: Unit of each field and known parameter in the system.
        maps: Scale and offset of each field and known parameter that is converted.
        sources: Unit in the file of each axis, field and known parameter that is converted.
        unusable: Reasons why an equation cannot be solved on these numbers.
    """

    length: str
    axis_scales: Mapping[str, float]
    targets: Mapping[str, str]
    maps: Mapping[str, tuple[float, float]]
    sources: Mapping[str, str]
    unusable: tuple[str, ...]


def file_units(
    axes: Mapping[str, Any],
    variables: Mapping[str, Any],
    fields: Collection[str],
    time: TimeUnit,
    first: StatedUnits | None,
) -> FileUnits:
    """Resolve the units of a file.

    Args:
        axes: The attribute ``units`` of each axis.
        variables: The attribute ``units`` of each field and known parameter.
        fields: The fields among them.
        time: Unit of the times.
        first: The system of the data set's first file; ``None`` for the file's own.

    Raises:
        RawDataError: naming both units, if one cannot be converted to the other; without the file.
    """
    own = {axis: unit_text(unit) for axis, unit in axes.items()}
    length = first.length if first else _length(own)
    scales, unusable = _axis_scales(own, length)
    stated = {name: unit_text(unit) for name, unit in variables.items()}
    if first is None:
        targets = _own_targets(stated, length, time.name)
        of_fields = {targets[name] for name in fields}
        if len(of_fields) == 1:  # boundary values are values of the field
            walls = [name for name in targets if name.startswith("boundary.")]
            targets |= dict.fromkeys(walls, of_fields.pop())
        unusable += _unknown_times(stated, time)
    else:
        targets = {name: _target(name, unit, first, time) for name, unit in stated.items()}
    maps = {}
    for name, unit in stated.items():
        if unit and targets[name] and unit != targets[name]:
            maps[name] = _map(name, unit, targets[name])
    maps = {name: each for name, each in maps.items() if each != IDENTITY}
    changed = {axis: own[axis] for axis, scale in scales.items() if scale != 1.0}
    changed |= {name: stated[name] for name in maps}
    return FileUnits(length, scales, targets, maps, changed, tuple(unusable))


def _length(own: Mapping[str, str]) -> str:
    """Unit of the first axis that states a length; else what all axes state."""
    stated = dict.fromkeys(filter(None, own.values()))
    for unit in stated:
        if is_length(unit):
            return unit
    return next(iter(stated)) if len(stated) == 1 else ""


def _axis_scales(own: Mapping[str, str], length: str) -> tuple[dict[str, float], list[str]]:
    """Factors of the axes, and why equations cannot be solved on them."""
    scales, unusable = {}, []
    for axis, unit in own.items():
        scales[axis] = 1.0
        if unit and is_length(unit) and is_length(length):
            scales[axis] = linear_map(unit, length)[0]
        elif unit and dimensions(unit) == (("angle", 1.0),):
            unusable.append(
                f"the axis {axis} is in {unit!r}, and derivatives need lengths; project the grid "
                "to lengths first (e.g. with pyproj, or CDO's remapbil to a regular grid in m), or "
                "state lengths in the attribute units if the numbers are lengths"
            )
        elif unit and dimensions(unit) not in (None, ()):
            unusable.append(
                f"the axis {axis} is in {unit!r}, which is no length; interpolate to a grid in "
                "lengths, or mend the attribute units"
            )
        elif unit != length and unit:
            unusable.append(
                f"the axis {axis} is in {unit!r}, another one in {length or 'another unit'!r}, and "
                "the two cannot be converted; state both in units of length"
            )
    return scales, unusable


def _own_targets(stated: Mapping[str, str], length: str, time: str) -> dict[str, str]:
    """Units in the file's own system; lengths alone are kept if no unit has a time in it."""
    mixed = {name for name, unit in stated.items() if unit and of_length_and_time(unit)}
    timed = any(dict(dimensions(stated[name]) or ()).get("time") for name in mixed)
    system = length if is_length(length) else ""
    return {
        name: in_system(unit, system, time) if name in mixed and timed else unit
        for name, unit in stated.items()
    }


def _unknown_times(stated: Mapping[str, str], time: TimeUnit) -> list[str]:
    """Fields per time of another unit than second, where the times have no unit."""
    if time.name:
        return []
    return [
        f"{name} is in {unit!r}, and the times have no unit; set data.time_unit"
        for name, unit in stated.items()
        if of_length_and_time(unit) and linear_map(unit, in_system(unit, "", "s")) != IDENTITY
    ]


def _target(name: str, unit: str, first: StatedUnits, time: TimeUnit) -> str:
    """Unit of a field in the first file's system."""
    wanted = first.of(name)
    is_converted = any(name == each for each, _, _ in first.converted)
    if not unit and wanted and is_converted:
        raise RawDataError(
            f"{name}: without a unit here, in {wanted!r} in the data set's first file; add the "
            "attribute units"
        )
    if unit and not wanted and of_length_and_time(unit):
        length = first.length if is_length(first.length) else ""
        if linear_map(unit, in_system(unit, length, time.name)) != IDENTITY:
            raise RawDataError(
                f"{name}: in {unit!r} here, without a unit in the data set's first file; add the "
                "attribute units there"
            )
    return wanted


def _map(name: str, unit: str, target: str) -> tuple[float, float]:
    try:
        return linear_map(unit, target)
    except ValueError as error:
        raise RawDataError(
            f"{name}: in {unit!r} here, in {target!r} in the data set's first file or in its other "
            f"fields: {error}; mend the attribute units"
        ) from None
