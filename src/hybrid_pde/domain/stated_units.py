"""Units, reference date, directions and end points of a data set, as its files show them."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hybrid_pde.domain.type_adapters import adapter_of

_TIME = re.compile(r"time([²³⁴]?)")
_POWERS = {"": 1, "²": 2, "³": 3, "⁴": 4}


@dataclass(frozen=True)
class StatedUnits:
    """The one system that all numbers of a data set are in; empty text for what no file states.

    Attributes:
        length: Unit of all axes.
        time: Unit of the times, ``s`` if the files state any.
        time_of_files: Unit of the times in the files, ``day``; empty if it is that of ``time``.
        seconds_of_files: Its length in seconds.
        epoch: Reference date that the times count from.
        calendar: Calendar of that date.
        variables: Pairs of a field or known parameter and its unit.
        converted: Fields, known parameters and axes with another unit in the file: name, unit in
            the file, unit here.
        turned: Fields and known parameters that count in the other vertical direction in the file.
        vertical: The axis that counts downwards, if there is one.
        directed: Fields and known parameters with a known vertical direction.
        ends: Pairs of an axis and the position of its outer points, if values show it: ``nodes`` on
            the ends of the domain, or ``repeated``, the last one being the first of a period.
        likely_ends: Settings for axes whose points probably include both ends of the domain.
        unusable: Reasons why an equation cannot be solved on these numbers.
        is_own: Whether the file itself would give this system; else it follows the first file.
    """

    length: str = ""
    time: str = ""
    time_of_files: str = ""
    seconds_of_files: float = 1.0
    epoch: str = ""
    calendar: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    converted: tuple[tuple[str, str, str], ...] = ()
    turned: tuple[str, ...] = ()
    vertical: str = ""
    directed: tuple[str, ...] = ()
    ends: tuple[tuple[str, str], ...] = ()
    likely_ends: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    is_own: bool = True

    @property
    def system(self) -> tuple[Any, ...]:
        """Units that must be equal in all files of a data set."""
        return self.length, self.time, self.epoch, self.calendar, self.variables, self.ends

    def of(self, name: str) -> str:
        """Unit of a field or known parameter."""
        return dict(self.variables).get(name, "")

    def concrete(self, unit: str) -> str:
        """A unit like ``length²/time`` with the data's own units, ``km²/s``, where known."""
        for word, own in (("length", self.length), ("time", self.time)):
            unit = unit.replace(word, own or word)
        return unit

    def in_files(self, unit: str) -> tuple[str, float] | None:
        """A unit like ``length²/time`` with the files' unit of time, and the factor to it.

        ``km²/day`` and 86400 for numbers in ``km²/s``; ``None`` where both are the same, or the
        unit has no time in it.
        """
        above, _, below = unit.partition("/")
        power = sum(
            sign * _POWERS[digit]
            for part, sign in ((above, 1), (below, -1))
            for digit in _TIME.findall(part)
        )
        if not self.time_of_files or not power:
            return None
        shown = self.concrete(_TIME.sub(rf"{self.time_of_files}\1", unit))
        return shown, float(self.seconds_of_files) ** -power

    @property
    def shown_time(self) -> tuple[str, float]:
        """Unit of times for people, that of the files, and the factor to it."""
        return self.in_files("time") or (self.time, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """The units as JSON types; JSON turns tuples into lists."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "StatedUnits":
        """The inverse of :meth:`to_dict`.

        Raises:
            ValueError: if the values have other types.
        """
        return adapter_of(cls).validate_python(dict(values))


NO_UNITS = StatedUnits()


def labelled(name: str, unit: str) -> str:
    """A name with its unit for the axis of a figure, ``x [km]``; the name without a unit."""
    return f"{name} [{unit}]" if unit else name
