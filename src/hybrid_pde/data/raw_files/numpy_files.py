"""Arrays in NumPy's ``.npy`` and ``.npz`` files, without unpickling.

An array of Python objects is a pickle, and loading one can run code, so it is rejected by its
header, before anything is loaded.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from hybrid_pde.data.raw_files.guards import check_size
from hybrid_pde.data.raw_files.lazy_arrays import Place, lazy
from hybrid_pde.errors import RawDataError

ENDING = ".npy"
MAX_MEMBERS = 10_000


@dataclass(frozen=True)
class ArrayHeader:
    """Shape and type of an array in a file.

    Attributes:
        shape: Its shape.
        dtype: Type of its entries.
        is_fortran: Whether the first index changes fastest in the file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool

    @property
    def is_pickled(self) -> bool:
        """True if it holds Python objects, which are not read."""
        return bool(self.dtype.hasobject)


class NumpyFile:
    """The arrays of a ``.npy`` or ``.npz`` file, each loaded when it is first read.

    Args:
        path: The file.

    Raises:
        RawDataError: if it is none, or damaged; without the file's name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise RawDataError("not a file")
        self._loaded: dict[str, np.ndarray] = {}
        self.headers: dict[str, ArrayHeader] = {}
        self._is_archive = zipfile.is_zipfile(path)
        if not self._is_archive:
            with open(path, "rb") as stream:
                self.headers["data"] = _header(stream)
            return
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if each.filename.endswith(ENDING)]
            if len(members) > MAX_MEMBERS:
                raise RawDataError(f"holds {len(members)} arrays; at most {MAX_MEMBERS} are read")
            for each in members:
                with archive.open(each) as stream:
                    self.headers[each.filename.removesuffix(ENDING)] = _header(stream)

    def load(self, name: str) -> np.ndarray:
        """A whole array.

        Raises:
            RawDataError: if it is pickled, is cut short, or does not fit into memory.
        """
        if name not in self._loaded:
            header = self.headers[name]
            if header.is_pickled:
                raise RawDataError(f"{name}: holds Python objects, a pickle, which is not read")
            check_size(name, header.shape)
            if not self._is_archive:
                array = np.load(self._path, mmap_mode="r", allow_pickle=False)
            else:
                with zipfile.ZipFile(self._path) as archive, archive.open(name + ENDING) as stream:
                    array = np.lib.format.read_array(stream, allow_pickle=False)
            self._loaded[name] = array
        return self._loaded[name]

    def lazy(self, name: str) -> Any:
        """An array that is loaded when it is first indexed."""
        header = self.headers[name]

        def read(place: Place) -> np.ndarray:
            return np.asarray(self.load(name)[place])

        return lazy(read, header.shape, header.dtype)


def _header(stream: IO[bytes]) -> ArrayHeader:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    return ArrayHeader(tuple(shape), dtype, is_fortran)
