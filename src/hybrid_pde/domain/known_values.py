"""What a simulation brings along: values of parameters and of fixed boundaries it was made with.

Layout: ``T`` time, ``C`` component, ``X Y Z`` space. Numbers are ``[]``, ``[C]``, ``[T]`` or
``[T, C]``; fields are tensors like those of the simulation.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hybrid_pde.domain.grid import FieldLayout

TENSOR_PREFIX = "known:"  # of a field's tensor; a data field may have the parameter's name


@dataclass(frozen=True)
class KnownParameter:
    """A parameter whose value each simulation states.

    Attributes:
        name: Name of the parameter, or ``boundary.<axis>.<lower|upper>``.
        components: Axis of each of its numbers in ascending order; empty for a single one.
        static: Whether it is constant in time.
        is_field: Whether it has a value at every point of the grid.
        values: Its numbers as nested tuples, in the parameter's unit; ``None`` for a field, and
            where only the kind is described.
    """

    name: str
    components: tuple[str, ...] = ()
    static: bool = True
    is_field: bool = False
    values: Any = None

    @property
    def layout(self) -> FieldLayout:
        """Layout of a field's tensor, ``[T, C, *space]``, or ``[C, *space]`` if static."""
        return FieldLayout(TENSOR_PREFIX + self.name, self.components, self.static)

    def describe(self) -> str:
        """What kind of value it is, for people."""
        kind = "a field" if self.is_field else "a number"
        if self.components:
            kind = "a vector field" if self.is_field else "numbers"
            kind = f"{kind} ({', '.join(self.components)})"
        return kind if self.static else f"{kind} that changes in time"

    def to_dict(self) -> dict[str, Any]:
        """The parameter as what JSON can hold; its tuples become lists there."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "KnownParameter":
        """The parameter that :meth:`to_dict` described."""
        return cls(**{key: as_tuples(value) for key, value in values.items()})


def known_disagreement(
    known: Sequence[KnownParameter], reference: Sequence[KnownParameter]
) -> str | None:
    """Which kind differs, as ``… here, …`` to be completed with a file's name, or ``None``."""
    here = {parameter.name: replace(parameter, values=None) for parameter in known}
    there = {parameter.name: replace(parameter, values=None) for parameter in reference}
    for name in dict.fromkeys([*there, *here]):
        if here.get(name) != there.get(name):
            kinds = [side[name].describe() if name in side else "absent" for side in (here, there)]
            return f"data.known_parameters.{name}: {kinds[0]} here, {kinds[1]}"
    return None


def as_tuples(value: Any) -> Any:
    """Nested lists as nested tuples, so that equality and hashing work."""
    items = isinstance(value, list | tuple)
    return tuple(as_tuples(item) for item in value) if items else value
