"""HDF5 files in the layouts of PDEBench.

Three layouts are known. Groups: each simulation is a group, ``0000``, ``0001``, …, with ``data``
``[T, X, …, C]`` and ``grid/t``, ``grid/x``, …; its channels become the variables ``data[0]``,
``data[1]``, …. Flat: ``tensor`` ``[N, T, X]`` (or several named arrays) with ``t-coordinate`` and
``x-coordinate``, …; the times may have one entry more than there are frames. Incompressible flow:
``velocity`` ``[N, T, X, Y, 2]``, ``particles``, ``force`` and ``t`` ``[N, T]``.

Source: Takamoto et al. (2022), PDEBench, NeurIPS Datasets and Benchmarks, appendix on the data.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.guards import errors_name_file

if TYPE_CHECKING:
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile

FORMAT = "hdf5-pdebench"
SUFFIXES = (".h5", ".hdf5")


@contextlib.contextmanager
def open_raw(path: Path, data: DataParams) -> Iterator["LabelledFile"]:
    """Open one file.

    Raises:
        RawDataError: if it is not an HDF5 file, is damaged, has another layout, or lacks a field
            asked for.
        ConfigError: if the ``data`` section contradicts itself.
    """
    from hybrid_pde.data.raw_files.hdf5 import open_hdf5
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile
    from hybrid_pde.data.raw_files.pdebench_layouts import labelled_contents
    from hybrid_pde.data.raw_files.unnamed_channels import with_channels_in_order

    with open_hdf5(path) as file:
        with errors_name_file(path):
            dataset = labelled_contents(file)
            opened = LabelledFile(path, dataset, with_channels_in_order(data, dataset))
        yield opened
