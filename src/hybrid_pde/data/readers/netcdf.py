"""NetCDF 3 and 4 through xarray."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.guards import errors_name_file

if TYPE_CHECKING:
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile

FORMAT = "netcdf"
SUFFIXES = (".nc", ".nc3", ".nc4", ".cdf", ".netcdf")


@contextlib.contextmanager
def open_raw(path: Path, data: DataParams) -> Iterator["LabelledFile"]:
    """Open one file.

    Raises:
        RawDataError: if it is not a NetCDF file, is damaged, or lacks a field asked for.
        ConfigError: if the ``data`` section contradicts itself.
    """
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile
    from hybrid_pde.data.raw_files.netcdf_file import open_dataset

    with open_dataset(path) as dataset:
        with errors_name_file(path):
            file = LabelledFile(path, dataset, data)
        yield file
