"""Small raw files written by tests, and public ones that are not part of the project."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from hybrid_pde.config import Experiment, parse_experiment

NAME = "heat"
SHARED = Path(
    os.environ.get("HYBRID_SHARED_DATA", Path(__file__).resolve().parents[2].parent / "shared/data")
)


def experiment(root: Path, **data: Any) -> Experiment:
    """An experiment on the raw files in ``root/data/heat``."""
    section = {"dset_name": NAME, "fields": ["u"], **data}
    return parse_experiment({"project_root": str(root), "data": section})


def raw_path(root: Path, name: str = "a.nc") -> Path:
    path = root / "data" / NAME / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_file(
    path: Path,
    coordinates: Mapping[str, Any],
    variables: Mapping[str, tuple[Sequence[str], np.ndarray]],
    *,
    file_format: str = "NETCDF4",
    unlimited: Sequence[str] = (),
    attrs: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """A NetCDF file of double-precision variables.

    Args:
        path: Where to write.
        coordinates: Values of each dimension, or its length if it has no coordinate variable.
        variables: Dimensions and values of each variable.
        file_format: Name of the format in the netCDF4 library.
        unlimited: Dimensions without a fixed length.
        attrs: Attributes of each variable; those of the file have the key ``""``.
    """
    attrs = attrs or {}
    with netCDF4.Dataset(path, "w", format=file_format) as file:
        for name, values in coordinates.items():
            length = values if isinstance(values, int) else len(values)
            file.createDimension(name, None if name in unlimited else length)
        labelled = {n: ((n,), np.asarray(v)) for n, v in coordinates.items() if np.ndim(v)}
        for name, (dims, values) in {**labelled, **variables}.items():
            own = dict(attrs.get(name, {}))
            fill = own.pop("_FillValue", None)
            kind: Any = str if values.dtype.kind == "U" else values.dtype
            variable = file.createVariable(name, kind, tuple(dims), fill_value=fill)
            variable.set_auto_maskandscale(False)
            variable.setncatts(own)
            variable[:] = values.astype(object) if kind is str else values
        file.setncatts(dict(attrs.get("", {})))
    return path


def cells(points: int, length: float = 1.0, lower: float = 0.0) -> np.ndarray:
    """Cell centres."""
    return lower + (np.arange(points) + 0.5) * length / points


def wave(times: np.ndarray, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """Values that differ at every point: ``[T, X]`` or ``[T, X, Y]``."""
    values = 10 * np.asarray(times)[:, None] + np.asarray(x)[None]
    return values if y is None else values[..., None] + 100 * np.asarray(y)


def write_simple(path: Path, *, frames: int = 5, points: int = 8, shift: float = 0.0) -> Path:
    """One 1D simulation of the field ``u``, dt 0.5, periodic on [0, 1]."""
    times, x = np.arange(frames) * 0.5, cells(points)
    values = wave(times, x) + shift
    return write_file(path, {"time": times, "x": x}, {"u": (("time", "x"), values)})


def shared_file(name: str) -> Path:
    """A public file; skips the test if it is missing."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{path} is absent; HYBRID_SHARED_DATA names the folder of the sample data")
    return path
