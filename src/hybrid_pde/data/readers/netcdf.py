"""NetCDF 3 and 4 through xarray."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.readers.classic_netcdf import is_classic, missing_bytes
from hybrid_pde.data.readers.error_context import naming
from hybrid_pde.data.readers.labelled_file import LabelledFile
from hybrid_pde.data.readers.memory_limits import check_size
from hybrid_pde.data.readers.self_contained import refuse_pointers
from hybrid_pde.errors import RawDataError


@contextlib.contextmanager
def open_dataset(path: Path) -> Iterator[xr.Dataset]:
    """Open a NetCDF file as it is, undecoded.

    Raises:
        RawDataError: if it is no NetCDF file, damaged, or points to other files.
    """
    with naming(path):
        if not path.is_file():
            raise RawDataError("is no file")
        if is_classic(path):
            if short := missing_bytes(path):
                raise RawDataError(f"is truncated: {short} bytes are missing at its end")
        elif h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                refuse_pointers(file)
        # CF decoding of the whole file would stumble over variables that nobody asks for, and an
        # index would be read whatever its size
        dataset = xr.open_dataset(
            path.resolve(),
            engine="netcdf4",
            decode_cf=False,
            cache=False,
            chunks=None,
            create_default_indexes=False,
        )
    try:
        yield dataset
    finally:
        dataset.close()


@contextlib.contextmanager
def open_raw(path: Path, data: DataParams) -> Iterator[LabelledFile]:
    """Open one file.

    Raises:
        RawDataError: if it is no NetCDF file, damaged, or does not hold what is asked for.
        ConfigError: if the ``data`` section contradicts itself.
    """
    with open_dataset(path) as dataset:
        with naming(path):
            file = LabelledFile(path, dataset, data)
        yield file


def read_all(path: Path, alive: Callable[[], object]) -> None:
    """Read every variable of a file once.

    Args:
        path: The file.
        alive: Called before each of them.

    Raises:
        RawDataError: if it cannot be read, or does not fit into memory.
    """
    with open_dataset(path) as dataset, naming(path):
        for name, variable in dataset.variables.items():
            alive()
            check_size(str(name), variable.shape)
            variable.load()
