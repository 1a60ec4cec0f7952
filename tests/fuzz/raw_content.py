"""Raw files generated from a recipe: a small valid simulation and a list of faults."""

import contextlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import zarr

from tests.unit.raw_files import cells

Recipe = dict[str, Any]
MOST = 10**4  # largest axis of a variable that is written completely
CHUNK = 16  # chunk size along each axis of a variable that is too large for that


@dataclass
class Variable:
    """An array with named dimensions; without values it is declared but not written."""

    dims: list[str]
    values: np.ndarray | None
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass
class Content:
    """The contents of a file."""

    sizes: dict[str, int]
    variables: dict[str, Variable]
    attrs: dict[str, Any] = field(default_factory=dict)

    def shape(self, variable: Variable) -> tuple[int, ...]:
        return tuple(self.sizes[dim] for dim in variable.dims)

    def resize(self, dim: str, size: int) -> None:
        self.sizes[dim] = size
        for variable in self.variables.values():
            if dim in variable.dims:
                few = int(np.prod([float(each) for each in self.shape(variable)])) <= 10**5
                variable.values = np.ones(self.shape(variable)) if few else None


def content_of(recipe: Recipe) -> Content:
    """The content that a recipe describes, including its faults."""
    frames, points = recipe["frames"], recipe["points"]
    sizes = {"time": frames, "x": points[0], "y": points[1]}
    axes = {"time": np.arange(frames) * 0.5, "x": cells(points[0], 3.0), "y": cells(points[1])}
    if recipe["descending"]:
        axes["x"] = axes["x"][::-1]
    dims = list(recipe["order"])
    if recipe["samples"]:
        sizes["sample"] = recipe["samples"]
        dims.insert(0, "sample")
    random = np.random.default_rng(frames)
    u = Variable(dims, random.normal(size=[sizes[dim] for dim in dims]))
    if recipe["dtype"] == "packed":
        assert u.values is not None
        u.values = np.round(u.values * 1000).astype("i2")
        u.attrs = {"scale_factor": 0.01, "add_offset": 3.0}
    else:
        assert u.values is not None
        u.values = u.values.astype(recipe["dtype"])
    variables = {name: Variable([name], values) for name, values in axes.items()}
    content = Content(sizes, {**variables, "u": u})
    for name, *arguments in recipe["faults"]:
        FAULTS[name](content, *arguments)
    return content


def _number(content: Content, name: str, place: float, value: float) -> None:
    """Put a number into a variable: NaN, infinite or out of order."""
    variable = content.variables.get(name)
    if variable is not None and variable.values is not None and variable.values.dtype.kind == "f":
        values = variable.values = variable.values.copy()
        if values.size:
            values.flat[int(place * (values.size - 1))] = value


def _repeat(content: Content, name: str, place: float) -> None:
    variable = content.variables.get(name)
    if variable is not None and variable.values is not None and variable.values.size > 1:
        values = variable.values = variable.values.copy()
        index = int(place * (values.size - 2))
        values.flat[index + 1] = values.flat[index]


def _swap(content: Content, name: str) -> None:
    variable = content.variables.get(name)
    if variable is not None and variable.values is not None and variable.values.ndim:
        variable.values = variable.values[::-1]


def _drop(content: Content, name: str) -> None:
    content.variables.pop(name, None)


def _retype(content: Content, name: str, kind: str) -> None:
    variable = content.variables.get(name)
    if variable is None or variable.values is None:
        return
    if kind == "text":
        variable.values = np.full(variable.values.shape, "three", object)
    elif kind == "compound":
        variable.values = np.zeros(variable.values.shape, [("re", "f4"), ("im", "f4")])
    else:
        with np.errstate(all="ignore"):
            variable.values = np.nan_to_num(variable.values.astype("f8"), posinf=0).astype(kind)


def _resize(content: Content, dim: str, size: int) -> None:
    if dim in content.sizes:
        content.resize(dim, size)


def _attribute(content: Content, name: str, attribute: str, value: Any) -> None:
    owner = content if name == "" else content.variables.get(name)
    if owner is not None:
        owner.attrs[attribute] = value


def _scalar(content: Content, name: str) -> None:
    if name in content.variables:
        content.variables[name] = Variable([], np.asarray(1.5))


def _lose_axis(content: Content, name: str) -> None:
    variable = content.variables.get(name)
    if variable is not None and variable.dims:
        values = variable.values
        variable.dims, variable.values = variable.dims[1:], None if values is None else values[:1]
        if variable.values is not None and variable.values.shape[:1] == (1,):
            variable.values = variable.values[0]


FAULTS: dict[str, Callable[..., None]] = {
    "number": _number,
    "repeat": _repeat,
    "swap": _swap,
    "drop": _drop,
    "retype": _retype,
    "resize": _resize,
    "attribute": _attribute,
    "scalar": _scalar,
    "lose axis": _lose_axis,
}


def write_netcdf(path: Path, content: Content, file_format: str) -> None:
    """Write a NetCDF file; content that the format cannot store is omitted."""
    huge = [dim for dim, size in content.sizes.items() if size > MOST]
    if huge and file_format == "NETCDF3_CLASSIC":
        _write_stated(path, content, huge)
        return
    with netCDF4.Dataset(path, "w", format=file_format) as file:
        for name, size in content.sizes.items():
            file.createDimension(name, size if size else None)
        for name, variable in content.variables.items():
            _write_variable(file, name, variable, content)
        _set_attributes(file.setncattr, content.attrs)


def _write_stated(path: Path, content: Content, huge: list[str]) -> None:
    """Write a classic file, then patch huge sizes into its header; netCDF4 would fill the disk."""
    sizes = {dim: content.sizes[dim] for dim in huge}
    for few, dim in enumerate(huge, start=5):
        content.resize(dim, few)
    write_netcdf(path, content, "NETCDF3_CLASSIC")
    written = path.read_bytes()
    for few, dim in enumerate(huge, start=5):
        name = len(dim).to_bytes(4, "big") + dim.encode() + bytes(-len(dim) % 4)
        stated = min(sizes[dim], 2**31 - 1).to_bytes(4, "big")
        written = written.replace(name + few.to_bytes(4, "big"), name + stated, 1)
    path.write_bytes(written)


def _write_variable(file: netCDF4.Dataset, name: str, variable: Variable, content: Content) -> None:
    values = variable.values
    kind: Any = "f8" if values is None else values.dtype
    if kind is object or (values is not None and values.dtype.kind == "O"):
        kind = str if file.data_model == "NETCDF4" else "S1"
    elif values is not None and values.dtype.kind == "V":
        kind = (
            file.createCompoundType(values.dtype, f"{name}_t") if "4" in file.data_model else "i2"
        )
    chunks = None
    if values is None and file.data_model == "NETCDF4":
        chunks = [min(size, CHUNK) or 1 for size in content.shape(variable)]
    try:
        made = file.createVariable(
            name, kind, variable.dims, fill_value=variable.attrs.get("_FillValue"),
            chunksizes=chunks,
        )  # fmt: skip
    except (RuntimeError, TypeError, ValueError, AttributeError, OverflowError):
        return
    made.set_auto_maskandscale(False)
    attrs = {key: value for key, value in variable.attrs.items() if key != "_FillValue"}
    _set_attributes(made.setncattr, attrs)
    if values is not None and kind != "S1" and values.dtype.kind not in "V":
        made[...] = values if kind is str else values.astype(made.dtype)


def _set_attributes(put: Callable[[str, Any], None], attrs: dict[str, Any]) -> None:
    for name, value in attrs.items():
        try:
            put(name, value)
        except (RuntimeError, TypeError, ValueError, AttributeError, OverflowError):
            continue  # attributes that a format cannot store are omitted


def write_flat(path: Path, content: Content, *, is_single: bool = False) -> None:
    """Write PDEBench's flat layout: ``tensor`` ``[N, T, X, Y]`` and coordinates.

    Args:
        path: The file.
        content: Its content.
        is_single: Without the axis of simulations, as PDEInvBench does.
    """
    names = {"time": "t-coordinate", "x": "x-coordinate", "y": "y-coordinate", "u": "tensor"}
    with h5py.File(path, "w") as file:
        for name, variable in content.variables.items():
            shape, values = content.shape(variable), variable.values
            if is_single and "sample" in variable.dims:
                shape, values = shape[1:], None if values is None else values[0]
            elif name == "u" and not is_single and "sample" not in variable.dims:
                shape, values = (1, *shape), None if values is None else values[None]
            _write_dataset(file, names[name], shape, values, variable.attrs)
        _set_attributes(file.attrs.__setitem__, content.attrs)


def write_groups(path: Path, content: Content) -> None:
    """Write PDEBench's groups: ``0000/data`` ``[T, X, Y, C]`` and ``0000/grid/t`` and more."""
    names = {"time": "grid/t", "x": "grid/x", "y": "grid/y", "u": "data"}
    with h5py.File(path, "w") as file:
        for sample in range(content.sizes.get("sample", 1)):
            for name, variable in content.variables.items():
                shape, values = content.shape(variable), variable.values
                if "sample" in variable.dims:
                    shape, values = shape[1:], None if values is None else values[sample]
                if name == "u":
                    shape, values = (*shape, 1), None if values is None else values[..., None]
                place = f"{sample:04d}/{names[name]}"
                _write_dataset(file, place, shape, values, variable.attrs)
        _set_attributes(file.attrs.__setitem__, content.attrs)


def write_well(path: Path, content: Content) -> None:
    """Write The Well's layout: ``t0_fields/u`` and ``dimensions``."""
    variables = content.variables
    u = variables.get("u", Variable([], None))
    space = [dim for dim in u.dims if dim in ("x", "y")]
    with h5py.File(path, "w") as file:
        file.create_group("t0_fields")
        file.create_group("dimensions").attrs["spatial_dims"] = space
        file.attrs["n_trajectories"] = content.sizes.get("sample", 1)
        for name, variable in variables.items():
            place = f"t0_fields/{name}" if name == "u" else f"dimensions/{name}"
            _write_dataset(file, place, content.shape(variable), variable.values, variable.attrs)
        if "u" in variables:
            whole = {"sample_varying": "sample" in u.dims, "time_varying": "time" in u.dims}
            file["t0_fields/u"].attrs.update(dim_varying=[True] * len(space), **whole)
        _set_attributes(file.attrs.__setitem__, content.attrs)


def write_pypde(path: Path, content: Content) -> None:
    """Write a storage of py-pde, with its first sample; the grid is an attribute."""
    with h5py.File(path, "w") as file:
        for name, place in (("u", "data"), ("time", "times")):
            variable = content.variables.get(name)
            if variable is None:
                continue
            shape, values = content.shape(variable), variable.values
            if "sample" in variable.dims:
                shape, values = shape[1:], None if values is None else values[0]
            _write_dataset(file, place, shape, values, variable.attrs)
        shape = [content.sizes["x"], content.sizes["y"]]
        grid = {"class": "CartesianGrid", "shape": shape, "bounds": [[0, 3], [0, 1]]}
        described = {"class": json.dumps("ScalarField"), "label": json.dumps("u")}
        file.attrs["field_attributes"] = json.dumps({**described, "grid": json.dumps(grid)})
        _set_attributes(file.attrs.__setitem__, content.attrs)


def write_zarr(path: Path, content: Content) -> None:
    """Write a zipped Zarr store of version 3."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = zarr.storage.ZipStore(path, mode="w")
        group = zarr.create_group(store, attributes=_plain(content.attrs))
        for name, variable in content.variables.items():
            shape, values, attrs = content.shape(variable), variable.values, _plain(variable.attrs)
            chunks = tuple(min(size, CHUNK) or 1 for size in shape)
            group.create_array(
                name, shape=shape, dtype="f8" if values is None else values.dtype, chunks=chunks,
                dimension_names=variable.dims, attributes=attrs,
            )  # fmt: skip
            if values is not None:
                group[name][...] = values
        store.close()


def write_npz(path: Path, content: Content) -> None:
    """Write NumPy's archive: ``u`` ``[T, X, Y]`` of the first sample, and its axes."""
    arrays = {}
    for name, variable in content.variables.items():
        dims, values = variable.dims, variable.values
        if values is None or values.dtype == object:
            raise ValueError("too large, or text")
        if "sample" in dims:
            dims, values = dims[1:], values[0]
        if sorted(dims) == ["time", "x", "y"]:
            values = values.transpose([dims.index(dim) for dim in ("time", "x", "y")])
        arrays[name] = values
    np.savez_compressed(path, **arrays)


def write_scene_frame(path: Path, content: Content) -> None:
    """Write the first frame as PhiFlow does; its boundary is a pickled object."""
    u = content.variables.get("u", Variable([], None))
    if u.values is None or u.values.dtype == object:
        raise ValueError("too large, or text")
    first = tuple(slice(None) if dim in ("x", "y") else 0 for dim in u.dims)
    dims = [dim for dim in u.dims if dim in ("x", "y")]
    np.savez_compressed(
        path, data=u.values[first], dim_names=np.array(dims, dtype="U"),
        dim_types=np.array(["spatial"] * len(dims), dtype="U"), field_type="CenteredGrid",
        lower=np.zeros(2), upper=np.array([3.0, 1.0]), bounds_item_names=np.array(["x", "y"]),
        extrapolation=np.array({"type": "constant"}, dtype=object),
    )  # fmt: skip


def _plain(attrs: dict[str, Any]) -> dict[str, Any]:
    """Attributes that JSON can hold."""
    kept = {}
    for name, value in attrs.items():
        with contextlib.suppress(TypeError, ValueError):
            json.dumps(value, allow_nan=False)
            kept[name] = value
    return kept


def _write_dataset(
    file: h5py.File,
    name: str,
    shape: tuple[int, ...],
    values: np.ndarray | None,
    attrs: dict[str, Any],
) -> None:
    if values is None:
        chunks = tuple(min(size, CHUNK) or 1 for size in shape) or None
        made = file.create_dataset(name, shape, "f8", chunks=chunks)
    else:
        text = h5py.string_dtype() if values.dtype == object else None
        made = file.create_dataset(name, data=values, dtype=text)
    _set_attributes(made.attrs.__setitem__, attrs)
