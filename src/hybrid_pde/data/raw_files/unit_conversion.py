"""Conversion between units as files state them, by pint with the notation of the CF conventions."""

import logging
from functools import cache
from typing import Any

from hybrid_pde.domain.units import DIMENSIONLESS

ANGLES = ("degree", "radian")  # beginnings of the names of angles
SCALES = ("elsius", "ahrenheit", "degree_c", "degree_f", "degree_k")  # of temperature
LONGEST = 64  # characters of a unit
Dimensions = tuple[tuple[str, float], ...]
# Loading pint takes most of a second; files with these units alone need not wait for it.
FREQUENT: dict[str, Dimensions] = {
    "m": (("length", 1.0),),
    "km": (("length", 1.0),),
    "K": (("temperature", 1.0),),
    "m s-1": (("length", 1.0), ("time", -1.0)),
}


def unit_text(stated: Any) -> str:
    """A unit as text; empty for none and for dimensionless numbers."""
    text = "" if stated is None else str(stated).strip()
    return "" if text.lower() in DIMENSIONLESS else text


@cache
def dimensions(unit: str) -> Dimensions | None:
    """Powers of length, time, … of a unit; ``None`` if it is unknown.

    ``m2 s-1`` has ``(("length", 2), ("time", -1))``; angles have ``(("angle", 1),)``.
    """
    if not unit:
        return ()
    if unit == "°" or (
        unit.lower().startswith(ANGLES) and not any(each in unit.lower() for each in SCALES)
    ):
        return (("angle", 1.0),)
    if unit in FREQUENT:
        return FREQUENT[unit]
    found = _parsed(unit)
    if found is None:
        return None
    powers = {str(name).strip("[]"): float(power) for name, power in found.dimensionality.items()}
    return tuple(sorted(powers.items()))


def of_length_and_time(unit: str) -> bool:
    """True if a unit consists of lengths and times, and is not a time alone, as of an age."""
    found = dict(dimensions(unit) or ())
    is_age = set(found) == {"time"} and found["time"] > 0
    return bool(found) and set(found) <= {"length", "time"} and not is_age


def is_rate_in_other_lengths(unit: str) -> bool:
    """True if a unit is one of lengths per time, but not of metres."""
    found = dict(dimensions(unit) or ())
    if not of_length_and_time(unit) or not found.keys() >= {"length", "time"}:
        return False
    return linear_map(unit, in_system(unit, "m", "")) != (1.0, 0.0)


def is_length(unit: str) -> bool:
    """True if a unit is one of length."""
    return dimensions(unit) == (("length", 1.0),)


def in_system(unit: str, length: str, time: str) -> str:
    """The unit of the same dimensions made of one unit of length and one of time.

    Args:
        unit: A unit of lengths and times.
        length: Unit of length; empty to leave lengths as they are.
        time: Unit of time; likewise.

    Returns:
        The unit in the notation of the CF conventions, ``km s-1``; the given text if it is in the
        system already.
    """
    parts, own = [], {"length": length, "time": time}
    for name, power in dimensions(unit) or ():
        base = own.get(name) or _base(unit, name)
        parts.append(f"{base}{'' if power == 1 else format(power, 'g')}")
    target = " ".join(parts)
    try:
        return unit if linear_map(unit, target) == (1.0, 0.0) else target
    except ValueError:  # no such notation, as for roots of units
        return unit


@cache
def linear_map(unit: str, target: str) -> tuple[float, float]:
    """Scale and offset that convert numbers from one unit to another.

    Raises:
        ValueError: naming both, if there is no such conversion.
    """
    if unit == target:
        return 1.0, 0.0
    here, there = _parsed(unit), _parsed(target)
    if here is None or there is None:
        raise ValueError(f"{unit!r} cannot be converted to {target!r}: unknown unit")
    import pint

    registry = _registry()
    try:
        zero, one = (registry.Quantity(value, here).to(there).magnitude for value in (0.0, 1.0))
    except pint.PintError as error:
        raise ValueError(f"{unit!r} cannot be converted to {target!r}: {error}") from None
    scale = float(one - zero)
    # pint multiplies by powers of ten one after the other; the last digits are its rounding
    nearest = float(f"{scale:.12g}")
    return (nearest if abs(nearest - scale) <= 4e-16 * abs(scale) else scale), float(zero)


def _base(unit: str, name: str) -> str:
    """The unit of length or of time within a unit."""
    for part in format(_parsed(unit), "~").replace("**", " ").split():
        if dimensions(part) == ((name, 1.0),):
            return str(part)
    return {"length": "m", "time": "s"}[name]


@cache
def _parsed(unit: str) -> Any:
    """A unit of the registry; ``None`` if it is unknown to it."""
    if len(unit) > LONGEST:
        return None
    try:
        return _registry().parse_units(unit)
    except Exception:  # files may state any text, and the parser fails on it in any way
        return None


def _registry() -> Any:
    # it redefines units of pint, and pint logs each of them
    logging.getLogger("pint").setLevel(logging.ERROR)
    from cf_xarray.units import units

    return units
