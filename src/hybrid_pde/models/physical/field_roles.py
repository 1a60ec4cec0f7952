"""Assignment of data fields to the roles of an equation."""

from collections.abc import Sequence

from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError


def match_roles(spec: EquationSpec, names: Sequence[str]) -> dict[str, str]:
    """The data field of every role: the field of that name, else the next unassigned field.

    Surplus fields (a pressure beside a velocity) get no role. An optional role is only assigned to
    the field of its name.

    Returns:
        Field name by role, in the order of the equation's fields.

    Raises:
        ConfigError: if there are fewer fields than roles.
    """
    optional = [role.name for role in spec.fields if role.is_optional]
    roles = [r.name for r in spec.fields if not r.is_optional or r.name in names]
    names = [name for name in names if name not in optional or name in roles]
    if len(names) < len(roles):
        raise ConfigError(f"data.fields: {list(names)}: {spec.name} needs the fields {roles}")
    left = iter([name for name in names if name not in roles])
    return {role: role if role in names else next(left) for role in roles}


def role_layouts(spec: EquationSpec, grid: Grid) -> dict[str, FieldLayout]:
    """Layout of every role on a grid: a vector has a component for each axis."""
    return {
        role.name: FieldLayout(role.name, components=grid.axes if role.is_vector else ())
        for role in spec.fields
    }
