"""Selection of the fields of a window: inputs and targets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import ConfigError


@dataclass(frozen=True)
class FieldSelection:
    """The fields of a window, in the order of their channels.

    Attributes:
        inputs: Fields of the initial state; static ones are constant during a window.
        outputs: Predicted fields.
    """

    inputs: tuple[FieldLayout, ...]
    outputs: tuple[FieldLayout, ...]


def select_fields(
    available: Sequence[FieldLayout],
    field_names: Sequence[str],
    dynamic_fields: Sequence[str] | None,
    static_fields: Sequence[str] | None,
) -> FieldSelection:
    """Choose inputs and outputs among the fields of a data set.

    Args:
        available: The data set's fields.
        field_names: Inputs, in the order of their channels.
        dynamic_fields: The inputs that are also outputs; by default all that change in time.
        static_fields: Inputs that are not outputs; those not in ``field_names`` come after them.
            By default all that do not change in time.

    Raises:
        ConfigError: if a name is unknown or given twice, or a field cannot have its role.
    """
    by_name = {layout.name: layout for layout in available}
    names = list(field_names)
    names += [name for name in static_fields or () if name not in names]
    for name in (*names, *(dynamic_fields or ())):
        if name not in by_name:
            known = ", ".join(by_name)
            raise ConfigError(f"field {name!r} is not in the data; there are {known}")
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"field_names: {names}: name at least one field, and each only once")
    frozen = set(static_fields or ())
    outputs = [
        name
        for name in names
        if name not in frozen
        and (dynamic_fields is None or name in dynamic_fields)
        and (dynamic_fields is not None or not by_name[name].static)
    ]
    for name in dynamic_fields or ():
        if name not in outputs or by_name[name].static:
            raise ConfigError(
                f"dynamic_fields: {name!r}: must change in time, be among field_names, and not be "
                "among static_fields"
            )
    if not outputs:
        raise ConfigError(f"field_names: {names}: none of them changes in time")
    return FieldSelection(
        inputs=tuple(
            replace(by_name[name], static=by_name[name].static or name in frozen) for name in names
        ),
        outputs=tuple(by_name[name] for name in outputs),
    )
