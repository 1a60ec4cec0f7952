"""Description of the data that a model was made with, which a state must fit to start a rollout."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.domain.type_adapters import adapter_of


@dataclass(frozen=True)
class DataDescription:
    """Grid, fields, time step and units of a data set.

    Attributes:
        grid: Grid of every field.
        layouts: The fields, in the order of the data.
        dt: Time between frames [time].
        units: The system that all numbers are in.
        known: Kinds of the known parameters.
        reading: Keys of the ``data`` section that its raw files are read with.
    """

    grid: Grid
    layouts: tuple[FieldLayout, ...]
    dt: float
    units: StatedUnits = StatedUnits()
    known: tuple[KnownParameter, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON types."""
        return {
            "grid": self.grid.to_dict(),
            "layouts": [layout.to_dict() for layout in self.layouts],
            "dt": float(self.dt),
            **self.origin(),
        }

    def origin(self) -> dict[str, Any]:
        """Units, known parameters and reading settings as JSON types."""
        kinds = [replace(each, values=None) for each in self.known]
        return {
            "units": _plain(self.units.to_dict()),
            "known": [_plain(each.to_dict()) for each in kinds],
            "reading": dict(self.reading),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DataDescription":
        """The inverse of :meth:`to_dict`; files of earlier versions lack the :meth:`origin`.

        Raises:
            ValueError: if the values have other types, or are no description.
        """
        dt = adapter_of(float).validate_python(values["dt"])
        if not 0 < dt < float("inf"):
            raise ValueError(f"dt: {dt}: no time step")
        return cls(
            grid=Grid.from_dict(values["grid"]),
            layouts=tuple(FieldLayout.from_dict(each) for each in values["layouts"]),
            dt=dt,
            units=StatedUnits.from_dict(values.get("units") or {}),
            known=tuple(
                adapter_of(KnownParameter).validate_python(each)
                for each in values.get("known") or ()
            ),
            reading=adapter_of(dict[str, Any]).validate_python(values.get("reading") or {}),
        )


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
