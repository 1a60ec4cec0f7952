"""NumPy's ``.npz`` and ``.npy`` with a YAML file beside them that says what the arrays mean.

The YAML file has the name of the file (``a.yaml`` for ``a.npz``), or is ``layout.yaml`` for all
files of its folder. Arrays of Python objects are pickles and are not read.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.array_layout import layout_files
from hybrid_pde.data.raw_files.guards import errors_name_file

if TYPE_CHECKING:
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile

FORMAT = "npz"
SUFFIXES = (".npz", ".npy")


def companions(path: Path) -> list[Path]:
    """The YAML file."""
    return layout_files(path)


@contextlib.contextmanager
def open_raw(path: Path, data: DataParams) -> Iterator["LabelledFile"]:
    """Open one file.

    Raises:
        RawDataError: if it is no NumPy file, is damaged, is not described, or lacks a field asked
            for.
        ConfigError: if the ``data`` section contradicts itself.
    """
    from hybrid_pde.data.raw_files.described_arrays import labelled_contents
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile
    from hybrid_pde.data.raw_files.unnamed_channels import with_channels_in_order

    with errors_name_file(path):
        dataset = labelled_contents(path)
        opened = LabelledFile(path, dataset, with_channels_in_order(data, dataset))
    yield opened
