"""A dataset of xarray, read like a raw file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.guards import errors_name_file
from hybrid_pde.data.raw_files.labelled_file import LabelledFile

NAME = "the dataset"


class _DatasetInMemory(LabelledFile):
    """A :class:`LabelledFile` without the checks of sizes, since its values are there."""

    def _check_sizes(self, variables: list[str], axes: list[str], num_samples: int) -> None:
        pass


@contextlib.contextmanager
def open_in_memory(dataset: xr.Dataset, data: DataParams) -> Iterator[LabelledFile]:
    """Read a dataset as a raw file with the same content.

    Args:
        dataset: Fields with coordinates, times as numbers or dates; after selecting one frame, the
            time may be a coordinate without a dimension.
        data: The experiment's ``data`` section.

    Raises:
        RawDataError: if it lacks a field asked for, or values are missing.
    """
    with errors_name_file(Path(NAME)):
        file = _DatasetInMemory(Path(NAME), _undecoded(dataset), data)
    yield file


def _undecoded(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with dates and durations as numbers with units, as files have them."""
    changed = {
        name: xr.conventions.encode_cf_variable(variable, name=str(name))
        for name, variable in dataset.variables.items()
        if np.issubdtype(variable.dtype, np.datetime64)
        or np.issubdtype(variable.dtype, np.timedelta64)
        or (variable.dtype == object and name in dataset.coords)
    }
    return dataset.drop_indexes(list(dataset.xindexes)).assign(changed) if changed else dataset
