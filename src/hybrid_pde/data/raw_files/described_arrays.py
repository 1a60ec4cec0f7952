"""Plain arrays with their description as labelled variables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from hybrid_pde.config.error_messages import suggest
from hybrid_pde.data.raw_files.array_layout import SHARED, ArrayLayout, read_layout
from hybrid_pde.data.raw_files.dimension_roles import USUAL_NAMES
from hybrid_pde.data.raw_files.guards import check_size
from hybrid_pde.data.raw_files.numpy_files import ArrayHeader, NumpyFile
from hybrid_pde.errors import RawDataError

TIME = "time"
SINGLE = "data"  # name of the array of a ``.npy`` file


def labelled_contents(path: Path) -> xr.Dataset:
    """A ``.npz`` or ``.npy`` file as variables of named dimensions.

    Raises:
        RawDataError: if it is not described, or the description does not fit; without the file's
            name.
    """
    file, layout = NumpyFile(path), read_layout(path)
    headers = {name: each for name, each in file.headers.items() if not each.is_pickled}
    if layout is None:
        raise RawDataError(_undescribed(path, headers))
    names = {name: name for name in headers}
    if [*headers] == [SINGLE] and isinstance(layout.dims, dict) and len(layout.dims) == 1:
        names = {next(iter(layout.dims)): SINGLE}  # the description names the only array
    dims = _dims(names, headers, layout, path)
    sizes: dict[str, int] = {}
    variables: dict[str, Any] = {}
    for name, of_array in dims.items():
        header = headers[names[name]]
        for dim, size in zip(of_array, header.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise RawDataError(
                    f"{name}: {size} points along {dim!r}, other arrays have {sizes[dim]}"
                )
        variables[name] = (of_array, file.lazy(names[name]))
    variables |= _coordinates(file, layout, sizes, variables)
    for name, unit in layout.units.items():
        if name not in variables:
            raise RawDataError(f"units: {suggest(name, variables)}")
        variables[name] = (*variables[name][:2], {"units": unit})
    return xr.Dataset(variables, attrs=layout.attributes)


def _dims(
    names: Mapping[str, str], headers: Mapping[str, ArrayHeader], layout: ArrayLayout, path: Path
) -> dict[str, list[str]]:
    """The axes of every array that is described; lists called like an axis are its points."""
    given = layout.dims
    if isinstance(given, list):
        whole = {name: given for name in names if len(headers[names[name]].shape) == len(given)}
    else:
        if unknown := [name for name in given if name not in names]:
            raise RawDataError(f"dims: {suggest(unknown[0], names)}")
        whole = dict(given)
    if not whole:
        raise RawDataError(f"dims: {given}: no array has these axes; {_undescribed(path, headers)}")
    used = {dim for of_array in whole.values() for dim in of_array}
    for name, array in names.items():
        shape = headers[array].shape
        if name in whole and len(whole[name]) != len(shape):
            raise RawDataError(
                f"dims: {name}: {whole[name]} are {len(whole[name])} axes, its shape is "
                f"{list(shape)}"
            )
        if name in used and len(shape) == 1:
            whole[name] = [name]
    return whole


def _coordinates(
    file: NumpyFile, layout: ArrayLayout, sizes: Mapping[str, int], variables: Mapping[str, Any]
) -> dict[str, Any]:
    """Points along the axes, as far as they are stated."""
    found: dict[str, Any] = {}
    for axis, stated in layout.coordinates.items():
        if axis not in sizes:
            raise RawDataError(f"coordinates: {suggest(axis, sizes)}")
        if isinstance(stated, str):
            header = file.headers.get(stated)
            if header is None or header.shape != (sizes[axis],):
                shape = "no such array" if header is None else f"its shape is {list(header.shape)}"
                raise RawDataError(
                    f"coordinates.{axis}: {stated}: {shape}; a list of {sizes[axis]} points"
                )
            found[axis] = ((axis,), file.lazy(stated))
            continue
        lower, upper = stated
        check_size(axis, (sizes[axis],))
        width = (upper - lower) / max(1, sizes[axis])
        found[axis] = ((axis,), lower + (np.arange(sizes[axis]) + 0.5) * width)
    times = [dim for dim in sizes if USUAL_NAMES.get(dim.lower()) == TIME]
    for dim in times:
        if dim in found or dim in variables:
            if layout.dt is not None:
                raise RawDataError("dt: an array lists the times, too; leave dt out")
        elif layout.dt is None:
            raise RawDataError(
                f"no times: give the time between frames, dt: …, or coordinates: {{{dim}: …}} with "
                "the name of an array of times"
            )
        else:
            check_size(dim, (sizes[dim],))
            found[dim] = ((dim,), layout.start + layout.dt * np.arange(sizes[dim]))
    return found


def _undescribed(path: Path, headers: Mapping[str, ArrayHeader]) -> str:
    """Text that the description needs."""
    arrays = {name: each.shape for name, each in headers.items() if each.shape}
    if {"field_type", "dim_names"} <= set(headers):
        return (
            "a frame of a PhiFlow scene; keep it in its folder sim_000000, …, which is read as one "
            "simulation"
        )
    shapes = ", ".join(f"{name}{list(shape)}" for name, shape in arrays.items()) or "no array"
    largest = max(arrays, key=lambda name: len(arrays[name]), default="u")
    axes = ["time", "x", "y", "z"][: len(arrays.get(largest, (1, 1)))]
    name = "u" if largest == SINGLE else largest
    return (
        f"it holds {shapes}, and nothing says what their axes are; write {path.stem}.yaml beside "
        f"it (or {SHARED} for all files of the folder), e.g. dims: {{{name}: [{', '.join(axes)}]}}"
        ", dt: 0.1, coordinates: {x: [0.0, 1.0]}, boundary: periodic, each on a line of its own"
    )
