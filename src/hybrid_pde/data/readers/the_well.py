"""HDF5 files in the layout of The Well.

Fields are in the groups ``t0_fields`` (scalars), ``t1_fields`` (vectors) and ``t2_fields``
(tensors, read as scalars ``name_xx``, ``name_xy``, …), ``[N, T, X, Y, (D)]``; each trajectory is a
simulation. ``boundary_conditions`` become the boundary; ``scalars`` and the root's parameters can
be named in ``data.known_parameters``.

Source: Ohana et al. (2024), The Well, NeurIPS Datasets and Benchmarks; its page "Data format".
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.guards import errors_name_file

if TYPE_CHECKING:
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile

FORMAT = "hdf5-well"
SUFFIXES = (".h5", ".hdf5")


def recognizes(path: Path) -> bool:
    """True if a file has the groups of The Well."""
    from hybrid_pde.data.raw_files.hdf5 import open_hdf5
    from hybrid_pde.data.raw_files.well_layout import is_well

    with open_hdf5(path) as file:
        return is_well(file)


@contextlib.contextmanager
def open_raw(path: Path, data: DataParams) -> Iterator["LabelledFile"]:
    """Open one file.

    Raises:
        RawDataError: if it is not an HDF5 file, is damaged, departs from the layout, lacks a field
            asked for, or states a boundary that ``data.boundary`` has to replace.
        ConfigError: if the ``data`` section contradicts itself.
    """
    from hybrid_pde.data.raw_files.hdf5 import open_hdf5
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile
    from hybrid_pde.data.raw_files.well_layout import labelled_contents

    with open_hdf5(path) as file:
        with errors_name_file(path):
            opened = LabelledFile(path, labelled_contents(file, data), data)
        yield opened
