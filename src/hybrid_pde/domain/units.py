"""Units of time, their length in seconds, and calendars (CF conventions)."""

import re

SECONDS = {
    "nanosecond": 1e-9,
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
    "week": 604800.0,
}
ABBREVIATIONS = {
    "ns": "nanosecond",
    "us": "microsecond",
    "μs": "microsecond",
    "ms": "millisecond",
    "s": "second",
    "sec": "second",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "d": "day",
}
DIMENSIONLESS = ("", "1", "-", "none", "dimensionless", "nondimensional")
# Other names of the CF calendars, lower case
CALENDARS = {
    "360": "360_day",
    "thirty_day_months": "360_day",
    "gregorian": "standard",
    "": "standard",
    "365": "noleap",
    "365_day": "noleap",
    "no_leap": "noleap",
    "366_day": "all_leap",
    "366": "all_leap",
}
_SINCE = re.compile(r"\s+since\s+", re.IGNORECASE)
# Days in a month and in a year, for the calendars in which every one of them is equally long.
MONTH_DAYS = {"360_day": 30}
YEAR_DAYS = {"360_day": 360, "noleap": 365, "all_leap": 366}


def calendar_name(stated: object) -> str:
    """The CF name of a calendar, of which there are several spellings."""
    name = str(stated or "").strip().lower()
    return CALENDARS.get(name, name)


def reference_date(unit: str | None) -> str:
    """The reference date in a CF time unit, ``days since 1970-01-01``; empty without one."""
    return "".join(_SINCE.split((unit or "").strip(), maxsplit=1)[1:]).strip()


def unit_name(unit: str) -> str:
    """The singular name of a CF time unit, ``day`` for ``days since 1970-01-01`` or ``d``."""
    word = _SINCE.split(unit.strip(), maxsplit=1)[0].strip()
    name = ABBREVIATIONS.get(word, word.lower())
    name = ABBREVIATIONS.get(name, name)
    if name not in SECONDS and name.endswith("s"):
        name = ABBREVIATIONS.get(name[:-1], name[:-1])
    return name


def unit_seconds(unit: str | None, calendar: str) -> float | None:
    """Length of a CF time unit in seconds; ``None`` for no unit or a dimensionless one.

    Args:
        unit: ``hours``, ``s``, or with a reference date, ``days since 1970-01-01``.
        calendar: CF calendar, on which the length of months and years depends.

    Raises:
        ValueError: if the unit is not one of time, or has no fixed length.
    """
    if unit is None or unit.strip().lower() in DIMENSIONLESS:
        return None
    name = unit_name(unit)
    if name in SECONDS:
        return SECONDS[name]
    days = {"month": MONTH_DAYS, "year": YEAR_DAYS}.get(name)
    if days is None:
        raise ValueError(f"{unit!r} is no unit of time; known: {', '.join(SECONDS)}, month, year")
    calendar = calendar_name(calendar)
    if calendar not in days:
        raise ValueError(
            f"a {name} has no fixed length in the calendar {calendar!r} (it has one in "
            f"{', '.join(days)})"
        )
    return days[calendar] * SECONDS["day"]
