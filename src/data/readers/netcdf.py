"""NetCDF 3 and 4 through xarray."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from src.config.schema import DataParams
from src.data.readers.classic import is_classic, missing_bytes
from src.data.readers.labelled_file import LabelledFile
from src.data.readers.naming import naming
from src.errors import RawDataError


@contextlib.contextmanager
def open_raw(path: Path, data: DataParams) -> Iterator[LabelledFile]:
    """Open one file.

    Raises:
        RawDataError: if it is no NetCDF file, damaged, or does not hold what is asked for.
        ConfigError: if the ``data`` section contradicts itself.
    """
    with naming(path):
        if not path.is_file():
            raise RawDataError("is no file")
        if is_classic(path) and (short := missing_bytes(path)):
            raise RawDataError(f"is truncated: {short} bytes are missing at its end")
        # CF decoding of the whole file would stumble over variables that nobody asks for
        dataset = xr.open_dataset(
            path.resolve(), engine="netcdf4", decode_cf=False, cache=False, chunks=None
        )
    try:
        with naming(path):
            file = LabelledFile(path, dataset, data)
        yield file
    finally:
        dataset.close()
