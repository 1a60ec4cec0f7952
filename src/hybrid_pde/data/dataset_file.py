"""Datasets written as NetCDF or Zarr by the ending of the file's name, atomically."""

from collections.abc import Iterable
from pathlib import Path

import xarray as xr

from hybrid_pde.data.atomic import atomic_folder, atomic_path
from hybrid_pde.errors import ExportError

NETCDF = (".nc", ".nc4", ".netcdf")
ZARR = ".zarr"


def check_output(path: Path) -> None:
    """Check the ending of a file's name, before anything is computed.

    Raises:
        ExportError: if it is that of another format, or the place is taken by something else.
    """
    if path.suffix.lower() not in (*NETCDF, ZARR):
        raise ExportError(
            f"{path}: the ending {path.suffix!r} is no format that is written; use "
            f"{NETCDF[0]} for NetCDF or {ZARR} for Zarr"
        )
    is_store = any((path / name).exists() for name in (".zgroup", ".zmetadata", "zarr.json"))
    if path.suffix.lower() == ZARR and path.exists() and not is_store:
        raise ExportError(
            f"{path}: exists and is no Zarr store, so it is not replaced; choose another name"
        )
    if path.suffix.lower() != ZARR and path.is_dir():
        raise ExportError(f"{path}: is a folder; choose the name of a file")


def write_dataset(path: Path, dataset: xr.Dataset) -> None:
    """Write one dataset; see :func:`write_datasets`."""
    write_datasets(path, [dataset])


def write_datasets(path: Path, datasets: Iterable[xr.Dataset], dim: str = "sample") -> None:
    """Write datasets one after the other along a dimension; one alone as it is.

    NetCDF files are compressed NetCDF 4. Zarr stores have version 2 of the format, which every
    program that knows Zarr reads.

    Args:
        path: File or store to write.
        datasets: Datasets that have the dimension, if there are several; made when needed.
        dim: The dimension.

    Raises:
        ExportError: as :func:`check_output`.
        StorageError: if the disk is full or cannot be written.
    """
    check_output(path)
    if path.suffix.lower() == ZARR:
        with atomic_folder(path) as temporary:
            _write_zarr(temporary, datasets, dim)
        return
    with atomic_path(path) as temporary:
        _write_netcdf(temporary, datasets, dim)


def _write_zarr(path: Path, datasets: Iterable[xr.Dataset], dim: str) -> None:
    for number, dataset in enumerate(datasets):
        appended = {"append_dim": dim} if number else {"mode": "w", "zarr_format": 2}
        dataset.to_zarr(path, consolidated=True, **appended)


def _write_netcdf(path: Path, datasets: Iterable[xr.Dataset], dim: str) -> None:
    import netCDF4

    for number, dataset in enumerate(datasets):
        if number == 0:
            encoding = {
                name: {"zlib": True, "complevel": 4, "shuffle": True} for name in dataset.data_vars
            }
            unlimited = [dim] if dim in dataset.dims else []
            dataset.to_netcdf(
                path,
                engine="netcdf4",
                format="NETCDF4",
                encoding=encoding,
                unlimited_dims=unlimited,
            )
            continue
        with netCDF4.Dataset(path, "a") as file:
            first = len(file.dimensions[dim])
            last = first + dataset.sizes[dim]
            for name, variable in dataset.variables.items():
                if dim in variable.dims:
                    file.variables[str(name)][first:last] = variable.values
