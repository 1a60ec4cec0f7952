"""Known parameters that a file's name states, or that are several variables, as one source each."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from hybrid_pde.config.error_messages import suggest
from hybrid_pde.config.schema import DataParams
from hybrid_pde.config.schema.data import NameParameter
from hybrid_pde.data.raw_files.blocks import MASKS, RANGES, decode
from hybrid_pde.data.raw_files.dimension_roles import ascending
from hybrid_pde.data.raw_files.lazy_arrays import Place, lazy_stack
from hybrid_pde.errors import RawDataError

KEY = "data.known_parameters"
NUMBER = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
_PACKING = (*MASKS, *RANGES, "scale_factor", "add_offset", "_Unsigned")
_DIRECTIONS = ("positive", "standard_name")  # a vector takes them from its vertical component


def with_named_sources(
    path: Path, dataset: xr.Dataset, roles: dict[str, str], data: DataParams
) -> tuple[xr.Dataset, DataParams]:
    """The file and the section with one variable or attribute for each known parameter.

    Args:
        path: The file; its name states parameters with a pattern.
        dataset: The file, undecoded.
        roles: Role of each dimension; that of the components of a list of variables is added.
        data: The experiment's ``data`` section.

    Raises:
        RawDataError: if a pattern does not fit the name, or variables of a list do not belong
            together; without the file's name.
    """
    sources: dict[str, str] = {}
    attrs, variables = dict(dataset.attrs), {}
    for name, source in data.known_parameters.items():
        if isinstance(source, str):
            sources[name] = source
            continue
        sources[name] = _free_name(f"{name} as given", dataset)
        if isinstance(source, NameParameter):
            attrs[sources[name]] = number_in_name(path.name, source.pattern, name)
        else:
            dim = f"components of {sources[name]}"
            roles[dim] = "vector"
            variables[sources[name]] = _joined(dataset, name, source, dim)
    whole = dataset.assign(variables).assign_attrs(attrs) if sources else dataset
    return whole, data.model_copy(update={"known_parameters": sources})


def number_in_name(file_name: str, pattern: str, parameter: str) -> float:
    """The number at ``{}`` of a pattern in a file's name.

    Args:
        file_name: The name.
        pattern: Any part of the name: ``{}`` is the number, ``*`` any text.
        parameter: Name of the parameter, for messages.

    Raises:
        RawDataError: if the pattern fits nowhere, or at several places with other numbers.
    """
    before, after = (
        ".*".join(re.escape(part) for part in side.split("*")) for side in pattern.split("{}")
    )
    # the whole number: neither its beginning nor its end is left out
    whole = rf"(?<!\d)(?<!\d\.)({NUMBER})(?![\d]|\.\d)"
    matches = re.finditer(f"(?={before}{whole}{after})", file_name)
    found = {number for match in matches if np.isfinite(number := float(match[1]))}
    if len(found) == 1:
        return next(iter(found))
    several = ", ".join(f"{each:g}" for each in sorted(found))
    problem = f"several numbers ({several})" if found else "no number"
    raise RawDataError(
        f"{KEY}.{parameter}: the pattern {pattern!r} finds {problem} in the file's name "
        f"{file_name!r}; rename the file, or mend the pattern: {{}} is the number, * any text"
    )


def _joined(dataset: xr.Dataset, name: str, listed: Sequence[str], dim: str) -> Any:
    """Variables of components as one variable, its first axis counting the components."""
    for each in listed:
        if each not in dataset.variables:
            raise RawDataError(f"{KEY}.{name}: no variable: {suggest(each, map(str, dataset))}")
    names = ascending(listed)
    parts = [dataset[each].variable for each in names]
    shapes = {(part.dims, part.shape) for part in parts}
    units = {str(part.attrs.get("units", "")) for part in parts}
    if not parts or len(shapes) > 1 or len(units) > 1:
        raise RawDataError(
            f"{KEY}.{name}: {list(listed)}: components have the same axes and the same unit; here "
            f"{sorted(f'{part.dims} {part.shape}' for part in parts)}, units {sorted(units)}"
        )
    is_single = all(part.dtype == np.float32 and not {*part.attrs} & {*_PACKING} for part in parts)
    dtype = np.dtype(np.float32 if is_single else np.float64)

    def read(number: int, place: Place) -> np.ndarray:
        return decode(parts[number][place].load()).astype(dtype)

    attrs = {key: each for key, each in parts[0].attrs.items() if key not in _PACKING}
    for part in parts:
        attrs |= {key: part.attrs[key] for key in _DIRECTIONS if "positive" in part.attrs}
    array = lazy_stack(read, (len(parts), *parts[0].shape), dtype)
    return (dim, *parts[0].dims), array, attrs


def _free_name(name: str, dataset: xr.Dataset) -> str:
    while name in dataset.variables or name in dataset.attrs:
        name += "_"
    return name
