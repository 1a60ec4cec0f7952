"""Opening of NetCDF files, with a check of the length of classic ones (CDF-1, CDF-2, CDF-5).

The NetCDF library silently reads zeros past the end of a truncated classic file, so its length is
compared with its header before it is opened.

Source: NetCDF User's Guide, "File Format Specifications: The NetCDF Classic Format".
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import h5py
import xarray as xr

from hybrid_pde.data.raw_files.guards import check_size, errors_name_file, reject_external_data
from hybrid_pde.errors import RawDataError

MAGIC = b"CDF"
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
STREAMING = 2**32 - 1  # number of records of a file that was not closed properly


@contextlib.contextmanager
def open_dataset(path: Path) -> Iterator[xr.Dataset]:
    """Open a NetCDF file as it is, undecoded.

    Raises:
        RawDataError: if it is not a NetCDF file, is damaged, or points to other files.
    """
    with errors_name_file(path):
        if not path.is_file():
            raise RawDataError("not a file")
        if is_classic(path):
            if short := missing_bytes(path):
                raise RawDataError(f"is truncated: {short} bytes are missing at its end")
        elif h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                reject_external_data(file)
                _refuse_groups_alone(file)
        # decoding the whole file could fail on variables that are not needed, and an index would be
        # read whatever its size
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


def _refuse_groups_alone(file: h5py.File) -> None:
    """Reject a file with variables in groups only, which would look empty."""
    groups = [name for name, entry in file.items() if isinstance(entry, h5py.Group)]
    if groups and not any(isinstance(entry, h5py.Dataset) for entry in file.values()):
        raise RawDataError(
            f"its variables lie in groups: {', '.join(groups[:10])}; those outside of groups are "
            "read; write each group to a file of its own, e.g. xarray.open_dataset(path, "
            f"group={groups[0]!r}).to_netcdf({f'{groups[0]}.nc'!r})"
        )


def read_all(path: Path, on_progress: Callable[[], object]) -> None:
    """Read every variable of a file once.

    Args:
        path: The file.
        on_progress: Called before each variable.

    Raises:
        RawDataError: if it cannot be read or does not fit into memory.
    """
    with open_dataset(path) as dataset, errors_name_file(path):
        for name, variable in dataset.variables.items():
            on_progress()
            check_size(str(name), variable.shape)
            variable.load()


@dataclass(frozen=True)
class _Variable:
    is_record: bool
    bytes: int  # of the whole variable, or of one record, without padding
    begin: int


class _Header:
    """Reads the big-endian numbers of a header; ``EOFError`` where it ends too early."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.version = self.read(4)[3]
        if self.version not in (1, 2, 5):
            raise EOFError(f"unknown version {self.version} of the classic format")
        self._count_bytes = 8 if self.version == 5 else 4

    def read(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise EOFError("the header is incomplete")
        return data

    def integer(self, count: int = 4) -> int:
        return int.from_bytes(self.read(count), "big")

    def count(self) -> int:
        return self.integer(self._count_bytes)

    def skip_padded(self, count: int) -> None:
        self.read(count + (-count % 4))

    def list_length(self) -> int:
        self.integer()  # tag
        return self.count()

    def skip_attributes(self) -> None:
        for _ in range(self.list_length()):
            self.skip_padded(self.count())
            bytes_each = TYPE_BYTES[self.integer()]
            self.skip_padded(self.count() * bytes_each)

    def variable(self, sizes: list[int]) -> _Variable:
        self.skip_padded(self.count())
        dims = [self.count() for _ in range(self.count())]
        self.skip_attributes()
        total = TYPE_BYTES[self.integer()]
        self.count()  # vsize, which overflows for large variables
        begin = self.integer(4 if self.version == 1 else 8)
        is_record = bool(dims) and sizes[dims[0]] == 0
        for dim in dims[1:] if is_record else dims:
            total *= sizes[dim]
        return _Variable(is_record, total, begin)


def is_classic(path: Path) -> bool:
    """True if a file starts like a classic NetCDF file."""
    with open(path, "rb") as file:
        return file.read(3) == MAGIC


def missing_bytes(path: Path) -> int:
    """Number of bytes by which a file is shorter than its header states; 0 for a complete one.

    Raises:
        EOFError: if the header itself is incomplete or not a header.
    """
    with open(path, "rb") as file:
        header = _Header(file)
        num_records = header.count()
        sizes = []
        for _ in range(header.list_length()):
            header.skip_padded(header.count())
            sizes.append(header.count())
        try:
            header.skip_attributes()
            variables = [header.variable(sizes) for _ in range(header.list_length())]
        except (KeyError, IndexError):
            raise EOFError("the header is damaged") from None
        actual = os.fstat(file.fileno()).st_size
    if num_records == STREAMING:
        num_records = 0
    return max(0, _expected_bytes(variables, num_records) - actual)


def _expected_bytes(variables: list[_Variable], num_records: int) -> int:
    records = [variable for variable in variables if variable.is_record]
    # A single record variable is not padded.
    record_bytes = (
        records[0].bytes
        if len(records) == 1
        else sum(variable.bytes + (-variable.bytes % 4) for variable in records)
    )
    ends = [v.begin + v.bytes for v in variables if not v.is_record]
    if num_records:
        ends += [v.begin + (num_records - 1) * record_bytes + v.bytes for v in records]
    return max(ends, default=0)
