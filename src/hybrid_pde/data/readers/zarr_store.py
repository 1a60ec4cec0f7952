"""Zarr stores of version 2 and 3, a folder or a ``.zip``, as xarray writes them or plain ones.

The axes of an array have names: ``dimension_names`` in version 3, the attribute
``_ARRAY_DIMENSIONS`` in version 2, as xarray writes them; also an attribute ``dimensions`` or
``dims``.

Source: Zarr core specifications, versions 2 and 3.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.guards import errors_name_file

if TYPE_CHECKING:
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile

FORMAT = "zarr"
SUFFIXES = (".zarr", ".zip")
_METADATA = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")


def takes_folder(path: Path) -> bool:
    """True for a folder with the metadata of a store."""
    return any((path / name).is_file() for name in _METADATA)


@contextlib.contextmanager
def open_raw(path: Path, data: DataParams) -> Iterator["LabelledFile"]:
    """Open one store.

    Raises:
        RawDataError: if it is none, is damaged, holds links or codecs that could run code, has
            axes without names, or lacks a field asked for.
        ConfigError: if the ``data`` section contradicts itself.
    """
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile
    from hybrid_pde.data.raw_files.zarr_layout import open_store

    with open_store(path) as dataset:
        with errors_name_file(path):
            opened = LabelledFile(path, dataset, data)
        yield opened
