"""HDF5 files of py-pde's ``FileStorage``.

``data`` ``[T, (C), X, …]``, ``times``, and attributes as JSON: ``field_attributes`` has the grid
and the labels of the fields. Points are cell centres. Only Cartesian grids are read.

Source: Zwicker (2020), py-pde, Journal of Open Source Software 5 (48), 2158.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.guards import errors_name_file

if TYPE_CHECKING:
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile

FORMAT = "hdf5-pypde"
SUFFIXES = (".h5", ".hdf5")


def recognizes(path: Path) -> bool:
    """True if a file has the data sets of a storage."""
    from hybrid_pde.data.raw_files.hdf5 import open_hdf5
    from hybrid_pde.data.raw_files.pypde_layout import is_storage

    with open_hdf5(path) as file, errors_name_file(path):
        return is_storage(file)


@contextlib.contextmanager
def open_raw(path: Path, data: DataParams) -> Iterator["LabelledFile"]:
    """Open one file.

    Raises:
        RawDataError: if it is not an HDF5 file, is damaged, is no finished storage, has a grid
            that is not Cartesian, or lacks a field asked for.
        ConfigError: if the ``data`` section contradicts itself.
    """
    from hybrid_pde.data.raw_files.hdf5 import open_hdf5
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile
    from hybrid_pde.data.raw_files.pypde_layout import labelled_contents
    from hybrid_pde.data.raw_files.unnamed_channels import with_channels_in_order

    with open_hdf5(path) as file:
        with errors_name_file(path):
            dataset = labelled_contents(file, data)
            opened = LabelledFile(path, dataset, with_channels_in_order(data, dataset))
        yield opened
