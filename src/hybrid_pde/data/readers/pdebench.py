"""HDF5 files laid out as those of PDEBench.

Two layouts are known. Groups: each simulation is a group, ``0000``, ``0001``, …, with ``data``
``[T, X, …, C]`` and ``grid/t``, ``grid/x``, …; its channels become the variables ``data[0]``,
``data[1]``, …. Flat: ``tensor`` ``[N, T, X]`` (or several arrays by name) with ``t-coordinate`` and
``x-coordinate``, …; the times may have one entry more than there are frames.

Source: Takamoto et al. (2022), PDEBench, NeurIPS Datasets and Benchmarks, appendix on the data.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.readers.error_context import naming
from hybrid_pde.data.readers.hdf5_arrays import array
from hybrid_pde.data.readers.hdf5_metadata import (
    TIME,
    attributes,
    coordinates,
    dimensions,
    labelled,
)
from hybrid_pde.data.readers.labelled_file import LabelledFile
from hybrid_pde.data.readers.pdebench_groups import from_groups
from hybrid_pde.data.readers.self_contained import refuse_pointers
from hybrid_pde.errors import RawDataError

FLAT = "tensor"
FLAT_COORDINATE = "{}-coordinate"


@contextlib.contextmanager
def open_raw(path: Path, data: DataParams) -> Iterator[LabelledFile]:
    """Open one file.

    Raises:
        RawDataError: if it is no HDF5 file, damaged, laid out differently, or does not hold what is
            asked for.
        ConfigError: if the ``data`` section contradicts itself.
    """
    with naming(path):
        if not path.is_file():
            raise RawDataError("is no file")
        file = h5py.File(path, "r")
    try:
        with naming(path):
            dataset = _labelled(file)
            named = data.model_copy(update={"variables": _in_order(data, dataset)})
            opened = LabelledFile(path, dataset, named)
        yield opened
    finally:
        file.close()


def _labelled(file: h5py.File) -> xr.Dataset:
    """The file as variables of named dimensions.

    Raises:
        RawDataError: if it has neither layout; without the file's name.
    """
    refuse_pointers(file, deep=False)
    numbered = sorted(filter(str.isdecimal, file), key=int)
    if numbered:
        return from_groups(file, numbered)
    if all(FLAT_COORDINATE.format(axis) in file for axis in (TIME, "x")):
        return _from_arrays(file)
    raise RawDataError(
        "unknown layout: PDEBench's files have groups 0000, 0001, … with data [T, X, …, C] and "
        "grid/t, grid/x, …, or an array [N, T, X, …] with t-coordinate, x-coordinate, …; it holds "
        f"{', '.join(sorted(file)[:20]) or 'nothing'}"
    )


def _from_arrays(file: h5py.File) -> xr.Dataset:
    refuse_pointers(file)
    points = coordinates(file, FLAT_COORDINATE)
    arrays = {
        name: entry
        for name, entry in file.items()
        if isinstance(entry, h5py.Dataset) and not name.endswith(FLAT_COORDINATE.format(""))
    }
    full = [name for name, entry in arrays.items() if entry.ndim == len(points) + 1]
    if not full:
        shapes = ", ".join(f"{name}{list(entry.shape)}" for name, entry in arrays.items())
        raise RawDataError(f"no array [sample, {', '.join(points)}]; it holds {shapes or 'none'}")
    num_samples, *size = arrays[full[0]].shape
    dims = dimensions(full[0], size, points)
    lengths = {"sample": num_samples, **dict(zip(dims, size, strict=True))}
    variables: dict[str, Any] = {}
    for name, entry in arrays.items():
        for kind in (dims, dims[1:], dims[:1], ()):  # in time and space, a field, a series, one
            if entry.shape == tuple(lengths[dim] for dim in ("sample", *kind)):
                chunks = {"chunksizes": entry.chunks}
                variables.setdefault(
                    name, (("sample", *kind), array(entry), attributes(entry), chunks)
                )
    return xr.Dataset({**variables, **labelled(points, size[0])}, attrs=attributes(file))


def _in_order(data: DataParams, dataset: xr.Dataset) -> dict[str, str | list[str]]:
    """``data.variables``, where fields of no name in the file take its channels in order."""
    given = dict(data.variables)
    unnamed = [n for n in data.fields if n not in given and n not in dataset.variables]
    taken = {v for value in given.values() for v in ([value] if isinstance(value, str) else value)}
    channels = [
        str(name)
        for name in dataset.variables
        if (name == FLAT or str(name).startswith("data[")) and name not in taken
    ]
    if len(unnamed) > len(channels):
        return given  # the fields that are missing are told by name
    return {**given, **dict(zip(unnamed, channels, strict=False))}
