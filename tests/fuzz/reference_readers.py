"""Reference readers of raw files that use only the libraries of the formats, no project code."""

from pathlib import Path

import h5py
import netCDF4
import numpy as np
import xarray as xr
import zarr

Plain = tuple[np.ndarray, np.ndarray]  # times, and u [N, T, X, Y]
ORDER = ("sample", "time", "x", "y")


def from_netcdf(path: Path) -> Plain:
    """Times and the field ``u`` of a NetCDF file."""
    with netCDF4.Dataset(path.resolve()) as file:
        variable = file["u"]
        values = np.ma.filled(np.ma.asarray(variable[...], float), np.nan)
        dims = [dim.lower() for dim in variable.dimensions]
        dims = ["time" if dim == "t" else dim for dim in dims]
        for axis in ("x", "y"):
            if axis in dims and axis in file.variables:
                values = _ascending(values, dims.index(axis), np.asarray(file[axis][...]))
        times = np.asarray(np.ma.filled(np.ma.asarray(file["time"][...], float), np.nan))
    return times, _ordered(values, dims)


def from_flat(path: Path) -> Plain:
    """Times and the array in PDEBench's flat layout, or PDEInvBench's of a single simulation."""
    with h5py.File(path) as file:
        points = {axis: file.get(f"{axis}-coordinate") for axis in "txy"}
        values = _unpacked(file["tensor"])
        is_single = values.ndim == sum(each is not None for each in points.values())
        return _from_arrays(points, values[None] if is_single else values)


def from_groups(path: Path) -> Plain:
    """Times and the arrays of a file in which each simulation is a group."""
    with h5py.File(path) as file:
        names = sorted((name for name in file if name.isdecimal()), key=int)
        grid = {axis: file[names[0]].get(f"grid/{axis}") for axis in "txy"}
        return _from_arrays(grid, np.stack([file[name]["data"][()][..., 0] for name in names]))


def from_well(path: Path) -> Plain:
    """Times and the field ``u`` of a file of The Well."""
    with h5py.File(path) as file:
        field, group = file["t0_fields/u"], file["dimensions"]
        values = _unpacked(field)
        dims = [dim for dim in ("sample", "time") if field.attrs[f"{dim}_varying"]]
        for axis in group.attrs["spatial_dims"]:
            values = _ascending(values, len(dims), group[axis][()])
            dims.append(axis)
        return np.asarray(np.atleast_2d(group["time"][()])[0], float), _ordered(values, dims)


def from_pypde(path: Path) -> Plain:
    """Times and the field of a storage of py-pde."""
    with h5py.File(path) as file:
        length = len(file["data"])
        return np.asarray(file["times"][:length], float), file["data"][()][None]


def from_zarr(path: Path) -> Plain:
    """Times and the array ``u`` of a zipped Zarr store."""
    store = zarr.storage.ZipStore(path, mode="r")
    with xr.open_zarr(store, consolidated=False, decode_times=False, chunks=None) as dataset:
        values, dims = np.asarray(dataset["u"].values, float), list(map(str, dataset["u"].dims))
        for axis in ("x", "y"):
            if axis in dims and axis in dataset.variables:
                values = _ascending(values, dims.index(axis), dataset[axis].values)
        return np.asarray(dataset["time"].values, float), _ordered(values, dims)


def from_npz(path: Path) -> Plain:
    """Times and the array ``u`` of NumPy's archive."""
    with np.load(path, allow_pickle=False) as arrays:
        values = np.asarray(arrays["u"], float)
        for place, axis in ((1, "x"), (2, "y")):
            values = _ascending(values, place, arrays[axis])
        return np.asarray(arrays["time"], float), values[None]


def from_scene_frame(path: Path) -> Plain:
    """Times and values of a scene that holds a file as frames 0 and 1, 0.5 apart."""
    with np.load(path, allow_pickle=False) as arrays:
        dims = ["time", *map(str, arrays["dim_names"])]
        values = np.asarray(arrays["data"], float)
        return np.array([0.0, 0.5]), _ordered(np.stack([values, values]), dims)


def _unpacked(field: h5py.Dataset) -> np.ndarray:
    scale, offset = (field.attrs.get(name) for name in ("scale_factor", "add_offset"))
    values = np.asarray(field[()] if scale is None else field[()] * float(scale), float)
    return values if offset is None else values + float(offset)


def _from_arrays(points: dict[str, h5py.Dataset | None], values: np.ndarray) -> Plain:
    given = {axis: entry[()] for axis, entry in points.items() if entry is not None}
    axes = [axis for axis in "xy" if axis in given]
    lengths = [len(given[axis]) for axis in axes]
    if list(values.shape[2:]) != lengths:
        axes.reverse()
    dims = ["sample", "time", *axes]
    for axis in axes:
        values = _ascending(values, dims.index(axis), given[axis])
    return np.asarray(given["t"][: values.shape[1]], float), _ordered(values, dims)


def _ascending(values: np.ndarray, place: int, points: np.ndarray) -> np.ndarray:
    return np.flip(values, place) if points[0] > points[-1] else values


def _ordered(values: np.ndarray, dims: list[str]) -> np.ndarray:
    """Values in the order ``[N, T, X, Y]``; other dimensions have one entry."""
    for place in reversed(range(len(dims))):
        if dims[place] not in ORDER:
            values = values.take(0, place)
    kept = [dim for dim in dims if dim in ORDER]
    ordered = values.transpose([kept.index(dim) for dim in ORDER if dim in kept])
    return ordered if "sample" in kept else ordered[None]
