"""HDF5 files in the layouts of PDEInvBench, whose names state the parameters.

In one dimension a file holds one simulation: ``tensor`` ``[T, X]`` with ``t-coordinate`` and
``x-coordinate``. In two, each simulation is a group, ``0001``, ``0002``, …, with ``data``
``[T, X, Y, C]`` and ``grid/t``, ``grid/x``, ``grid/y``, as in PDEBench. ``data.known_parameters``
takes the parameters from the file's name.

Source: DATA_GUIDE.md of PDEInvBench, sections 3.2 and 4.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.guards import errors_name_file
from hybrid_pde.data.readers import pdebench

if TYPE_CHECKING:
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile

FORMAT = "hdf5-pdeinvbench"
SUFFIXES = (".h5", ".hdf5")


def recognizes(path: Path) -> bool:
    """True for the layout that PDEBench does not have, a single simulation."""
    from hybrid_pde.data.raw_files.hdf5 import open_hdf5
    from hybrid_pde.data.raw_files.pdebench_layouts import holds_one_simulation

    with open_hdf5(path) as file, errors_name_file(path):
        return holds_one_simulation(file)


@contextlib.contextmanager
def open_raw(path: Path, data: DataParams) -> Iterator["LabelledFile"]:
    """Open one file; raises the errors of :func:`hybrid_pde.data.readers.pdebench.open_raw`."""
    with pdebench.open_raw(path, data) as file:
        yield file
