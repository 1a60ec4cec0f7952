"""Roles of a file's dimensions (time, x, sample, …), and the variables of each field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import ConfigError, RawDataError

SPACE = ("x", "y", "z")
ROLES = ("time", *SPACE, "sample", "vector")
USUAL_NAMES = {
    "time": "time",
    "t": "time",
    **{axis: axis for axis in SPACE},
    "sample": "sample",
    "vector": "vector",
    "component": "vector",
    "channel": "vector",
}
CF_AXES = {"T": "time", "X": "x", "Y": "y", "Z": "z"}


@dataclass(frozen=True)
class FieldSource:
    """Location of a field in a file.

    Attributes:
        layout: The field.
        variables: One variable, or one for each component in ascending order.
        order: Positions of the components on the component axis in ascending order; empty
            without such an axis.
    """

    layout: FieldLayout
    variables: tuple[str, ...]
    order: tuple[int, ...] = ()


def check_dims(dims: Mapping[str, str]) -> None:
    """Reject unknown roles.

    Raises:
        ConfigError: naming the role and the allowed ones.
    """
    for role in dims:
        if role not in ROLES:
            raise ConfigError(f"data.dims.{role}: {role!r} is unknown; allowed: {', '.join(ROLES)}")


def dimension_roles(dataset: xr.Dataset, dims: Mapping[str, str]) -> dict[str, str]:
    """The role of each dimension of a file that has one.

    It follows from ``data.dims`` (name of the dimension or of its coordinate variable), else from
    the dimension's usual name, else from the ``axis`` attribute of its coordinate variable (CF
    conventions).
    """
    roles: dict[str, str] = {}
    for role, name in dims.items():
        if name in dataset.dims:
            roles[name] = role
        elif name in dataset.variables and dataset[name].ndim == 1:
            roles[str(dataset[name].dims[0])] = role
    taken = set(roles.values())
    for dim in map(str, dataset.dims):
        usual = USUAL_NAMES.get(dim.lower())
        if usual is None and dim in dataset.variables:
            usual = CF_AXES.get(str(dataset[dim].attrs.get("axis", "")).upper())
        if dim not in roles and usual is not None and usual not in taken:
            roles[dim] = usual
    return roles


def field_sources(
    dataset: xr.Dataset, roles: Mapping[str, str], axes: Sequence[str], data: DataParams
) -> tuple[FieldSource, ...]:
    """The source of each field of the experiment.

    Raises:
        RawDataError: if a field is not in the file; without the file's name.
    """
    return tuple(_source(dataset, roles, axes, name, data) for name in data.fields)


def field_variables(dataset: xr.Dataset, name: str, data: DataParams) -> list[str]:
    """The variables of a field, in their stated order.

    Raises:
        RawDataError: naming the variables of the file.
    """
    given = data.variables.get(name)
    if given is not None:
        wanted = [given] if isinstance(given, str) else list(given)
        missing = [variable for variable in wanted if variable not in dataset.variables]
        if missing:
            raise RawDataError(
                f"data.variables.{name}: no variable {missing[0]!r}; {_contents(dataset)}"
            )
        return wanted
    if name in dataset.variables:
        return [name]
    for pattern in ("{name}_{axis}", "{name}{axis}", "{axis}_{name}"):
        names = [pattern.format(name=name, axis=axis) for axis in SPACE]
        found = [variable for variable in names if variable in dataset.variables]
        if found and found == names[: len(found)]:
            return found
    raise RawDataError(
        f"data.fields: no variable {name!r}; {_contents(dataset)}. If the names differ, "
        f"set data.variables: {{{name}: …}}"
    )


def variables_named(data: DataParams) -> list[str]:
    """Variables that the section names for the experiment's fields, else the fields' own names."""
    named = [data.variables.get(name, name) for name in data.fields]
    return [each for one in named for each in ([one] if isinstance(one, str) else one)]


def component_dim(dataset: xr.Dataset, roles: Mapping[str, str], variable: str) -> str | None:
    """The dimension of a variable that counts vector components, if it has one."""
    dims = [str(dim) for dim in dataset[variable].dims if roles.get(str(dim)) == "vector"]
    return dims[0] if dims else None


def _source(
    dataset: xr.Dataset, roles: Mapping[str, str], axes: Sequence[str], name: str, data: DataParams
) -> FieldSource:
    variables = field_variables(dataset, name, data)
    static = not any(roles.get(str(dim)) == "time" for dim in dataset[variables[0]].dims)
    dim = component_dim(dataset, roles, variables[0])
    given = data.variables.get(name)
    by_component = isinstance(given, list) or (given is None and variables != [name])
    if dim is None and by_component and (len(variables) > 1 or len(axes) == 1):
        components = _components(name, len(variables), axes)
        return FieldSource(FieldLayout(name, components, static), ascending(variables))
    if dim is None:
        return FieldSource(FieldLayout(name, (), static), tuple(variables))
    if len(variables) > 1:
        raise RawDataError(
            f"{name}: its variables {variables} have a component axis {dim!r} each; a vector is "
            "either several variables or one with a component axis"
        )
    size = dataset.sizes[dim]
    if size == 1 and len(axes) > 1:
        return FieldSource(FieldLayout(name, (), static), tuple(variables), (0,))
    components = _components(name, size, axes)
    order = component_order(dataset, dim, size)
    return FieldSource(FieldLayout(name, components, static), tuple(variables), order)


def _components(name: str, count: int, axes: Sequence[str]) -> tuple[str, ...]:
    if count == len(axes):
        return tuple(axes)
    if count == len(SPACE):
        return SPACE
    raise RawDataError(
        f"{name}: {count} component(s) on a grid with the axes {', '.join(axes)}; a vector has one "
        "for each axis"
    )


def ascending(variables: Sequence[str]) -> tuple[str, ...]:
    """Component variables sorted by the axis in their names, if all of them have one.

    Args:
        variables: One for each component.
    """
    for position in (-1, 0):
        letters = [variable[position].lower() for variable in variables]
        if len(set(letters)) == len(letters) and set(letters) <= set(SPACE):
            return tuple(sorted(variables, key=lambda variable: variable[position].lower()))
    return tuple(variables)


def component_order(dataset: xr.Dataset, dim: str, size: int) -> tuple[int, ...]:
    """Positions of the components sorted by the labels of their axis, else in file order.

    Args:
        dataset: The file.
        dim: The component axis.
        size: Its length.
    """
    if dim not in dataset.variables or dataset[dim].dims != (dim,):
        return tuple(range(size))
    labels = [_text(label)[-1:].lower() for label in dataset[dim].values]
    for names in ("xyz", "uvw"):
        if len(set(labels)) == size and set(labels) <= set(names):
            return tuple(sorted(range(size), key=lambda place: labels[place]))
    return tuple(range(size))


def _text(label: object) -> str:
    return label.decode(errors="replace") if isinstance(label, bytes) else str(label)


def _contents(dataset: xr.Dataset) -> str:
    listed = [f"{name}({', '.join(map(str, dataset[name].dims))})" for name in dataset.variables]
    return f"the file has {', '.join(listed[:20])}{', …' if len(listed) > 20 else ''}"
