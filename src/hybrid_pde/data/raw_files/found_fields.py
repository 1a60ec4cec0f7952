"""Fields and known parameters that a file offers, where the experiment names none."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.dimension_roles import SPACE, dimension_roles
from hybrid_pde.data.raw_files.inspection_mode import remark
from hybrid_pde.errors import RawDataError

# names of dimensions that need data.dims, since they are common with other meanings, too
_LIKELY_ROLES = {
    "time": ("time_counter", "times", "timestep", "frame", "nt"),
    "x": ("lon", "longitude", "grid_longitude", "rlon", "xc", "nx"),
    "y": ("lat", "latitude", "grid_latitude", "rlat", "yc", "ny"),
    "z": ("lev", "level", "depth", "height", "altitude", "deptht", "zc", "nz"),
    "sample": (
        "member", "ensemble", "realization", "simulation", "trajectory", "run", "batch", "case",
    ),
}  # fmt: skip
_TENSOR = tuple(f"_{axis}" for axis in SPACE)  # `D_xx` is a component of a tensor
_COUNTS = ("n_spatial_dims", "n_trajectories")  # of The Well
_PATTERNS = ("{name}_{axis}", "{name}{axis}", "{axis}_{name}")


def found_settings(dataset: xr.Dataset, data: DataParams) -> DataParams:
    """The ``data`` section that reads everything that one grid of the file holds.

    Variables on another grid are remarked upon.

    Args:
        dataset: The file, undecoded.
        data: The section so far, without fields.

    Raises:
        RawDataError: if no variable is a field; without the file's name.
    """
    dims = {**_likely_dims(dataset, data.dims), **data.dims}
    roles = dimension_roles(dataset, dims)
    spaces = {str(name): _space(dataset, roles, str(name)) for name in dataset.variables}
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, space in spaces.items():
        if space is not None:
            groups[space].append(name)
    if not groups:
        raise RawDataError(_no_field(dataset))

    def weight(space: tuple[str, ...]) -> tuple[bool, int, int]:
        changing = sum("time" in _roles(dataset, roles, name) for name in groups[space])
        return changing > 0, len(space), changing

    chosen = max(groups, key=weight)
    for space, names in groups.items():
        if space != chosen:
            remark(names[0], f"{', '.join(names)}: left out, on another grid ({', '.join(space)})")
    axes = [axis for axis in SPACE if axis in {roles[dim] for dim in chosen}]
    variables = _vectors(dataset, groups[chosen], axes)
    update = {
        "fields": list(variables),
        "variables": {name: each for name, each in variables.items() if each != name},
        "dims": dims,
        "known_parameters": _parameters(dataset, roles, {*variables, *groups[chosen]}, len(axes)),
    }
    return data.model_copy(update=update)


def _likely_dims(dataset: xr.Dataset, given: Mapping[str, str]) -> dict[str, str]:
    """Roles of dimensions that have none, from their names."""
    roles = dimension_roles(dataset, given)
    taken, found = {*roles.values()}, {}
    for dim in map(str, dataset.dims):
        for role, names in _LIKELY_ROLES.items():
            if dim not in roles and dim.lower() in names and role not in taken:
                found[role] = dim
                taken.add(role)
    for role, dim in found.items():
        remark(dim, f"the dimension {dim!r} is taken as {role}; set data.dims: {{{role}: {dim}}}")
    return found


def _roles(dataset: xr.Dataset, roles: Mapping[str, str], name: str) -> list[str]:
    return [roles.get(str(dim), "") for dim in dataset[name].dims]


def _space(dataset: xr.Dataset, roles: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    """Spatial dimensions of a variable that can be a field, else ``None``."""
    variable = dataset[name]
    dims = [str(dim) for dim in variable.dims]
    of_dims = [roles.get(dim, "") for dim in dims]
    known = [role for role in of_dims if role]
    is_coordinate = variable.ndim == 1 and (name == dims[0] or roles.get(dims[0]) == name)
    unknown = [dim for dim, role in zip(dims, of_dims, strict=True) if not role]
    too_long = any(dataset.sizes[dim] > 1 for dim in unknown)
    if variable.dtype.kind not in "iuf" or is_coordinate or too_long or len({*known}) < len(known):
        return None
    if 0 in variable.shape:
        return None
    found = zip(dims, of_dims, strict=True)
    space = [dim for dim, role in found if role in SPACE and dataset.sizes[dim] > 1]
    return tuple(sorted(space, key=lambda dim: roles[dim])) or None


def _vectors(dataset: xr.Dataset, names: list[str], axes: list[str]) -> dict[str, Any]:
    """Variables of each field; ``velocity_x`` and ``velocity_y`` are one field."""
    found: dict[str, Any] = {}
    taken: set[str] = set()
    for name in names:
        for pattern in _PATTERNS if len(axes) > 1 else ():
            stem = _stem(name, pattern, axes[0])
            parts = [pattern.format(name=stem, axis=axis) for axis in axes]
            is_free = stem not in dataset.variables and not taken & {*parts}
            is_free &= not stem.endswith(_TENSOR)
            if stem and is_free and all(part in names for part in parts):
                found[stem] = stem
                taken |= {*parts}
        if name not in taken:
            found[name] = name
    return {name: each for name, each in found.items() if name not in taken}


def _stem(name: str, pattern: str, axis: str) -> str:
    before, after = pattern.format(name="\0", axis=axis).split("\0")
    is_match = name.startswith(before) and name.endswith(after)
    return name[len(before) : len(name) - len(after)] if is_match else ""


def _parameters(
    dataset: xr.Dataset, roles: Mapping[str, str], fields: set[str], num_axes: int
) -> dict[str, str]:
    """Numbers that each simulation states, as variables or global attributes."""
    found = []
    for name in map(str, dataset.variables):
        variable = dataset[name]
        kinds = {*_roles(dataset, roles, name)}
        is_date = " since " in str(variable.attrs.get("units", ""))
        is_label = (
            name in dataset.dims
            or name in roles.values()
            or "grid_mapping_name" in (variable.attrs)
        )
        if variable.dtype.kind in "iuf" and kinds <= {"sample"} and not (is_date or is_label):
            found.append(name)
    for name, value in dataset.attrs.items():
        numbers = np.asarray(value)
        is_number = numbers.dtype.kind in "iuf" and numbers.size in (1, num_axes)
        is_own = str(name).startswith("_") or name in _COUNTS
        if is_number and np.isfinite(numbers).all() and not is_own:
            found.append(str(name))
    return {name: name for name in found if name not in fields}


def _no_field(dataset: xr.Dataset) -> str:
    listed = [f"{name}({', '.join(map(str, dataset[name].dims))})" for name in dataset.variables]
    held = f"{', '.join(listed[:20])}{', …' if len(listed) > 20 else ''}" if listed else "none"
    return (
        "no variable of it is a field on a grid of named axes (time, x, y, z, sample, vector); "
        f"its variables are: {held}; if its dimensions have other names, give data.dims in the "
        "experiment, e.g. data.dims: {x: lon}"
    )
